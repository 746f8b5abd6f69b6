"""Encodes images with transformers (and open_clip where it imports), one pass per line read from stdin.

A request is JSON {"peer": name, "mode": "end-to-end" | "encode", "files": [...], "batch": 8}; the answer
{"seconds", "images"}. The first line printed lists the peers found and their versions. Weights are random.
"""
import json, resource, sys, time
import torch

torch.set_grad_enabled(False)


def import_torchvision():
    """torchvision without its own operators, where its wheel was built for another torch: transforms need none."""
    register = torch.library.register_fake

    def lenient(name, *args, **kwargs):
        if isinstance(name, str) and name.startswith("torchvision::"):
            return lambda f: f
        return register(name, *args, **kwargs)
    torch.library.register_fake = lenient
    try:
        import torchvision
        versions["torchvision"] = torchvision.__version__
    except ImportError:
        pass
    finally:
        torch.library.register_fake = register


peers, versions = {}, {"torch": torch.__version__}
import_torchvision()


def pil_images(files):
    from PIL import Image
    return [Image.open(f) for f in files]


try:
    import transformers
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    try:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Processor
    except ImportError:
        from transformers import CLIPImageProcessor as Processor
    import PIL
    versions["transformers"], versions["pillow"] = transformers.__version__, PIL.__version__
    processor = Processor()

    def hf(dtype):
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=512)).eval().to(dtype)

        def prepare(files):
            return processor(pil_images(files), return_tensors="pt")["pixel_values"].to(dtype)

        def encode(pixels):
            e = model(pixel_values=pixels).image_embeds
            return e / e.norm(dim=-1, keepdim=True)
        return prepare, encode
    peers["transformers"] = lambda: hf(torch.float32)
    peers["transformers bf16"] = lambda: hf(torch.bfloat16)
except ImportError as error:
    print(f"transformers: {error}", file=sys.stderr)
try:
    import open_clip
    versions["open_clip"] = open_clip.__version__

    def oc(dtype):
        model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu")
        model = model.eval().to(dtype)

        def prepare(files):
            return torch.stack([preprocess(i) for i in pil_images(files)]).to(dtype)
        return prepare, lambda pixels: model.encode_image(pixels, normalize=True)
    peers["open_clip"] = lambda: oc(torch.float32)
    peers["open_clip bf16"] = lambda: oc(torch.bfloat16)
except Exception as error:
    print(f"open_clip: {error}", file=sys.stderr)

made = {}
print(json.dumps({"peers": list(peers), "versions": versions, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["peer"] not in made:
        made[request["peer"]] = peers[request["peer"]]()
    prepare, encode = made[request["peer"]]
    files, batch = request["files"], request["batch"]
    batches = [files[i:i + batch] for i in range(0, len(files), batch)]
    ready = [prepare(b) for b in batches] if request["mode"] == "encode" else None
    start = time.perf_counter()
    for i, b in enumerate(batches):
        encode(ready[i] if ready else prepare(b))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "images": len(files), "peakMiB": peak}), flush=True)
