;; The two passes of `resample.ts` on 8-bit samples. Compiled by wabt's wat2wasm into resample-simd.ts.
;; All pointers are byte offsets; weights and sums have 22 fractional bits. Loads and stores may reach up to 15 bytes
;; beyond the last sample.
(module
  (memory (export "memory") 2)
  ;; `rows` rows of `rowBytes` bytes each, from `in`, become rows of `outputs` pixels of `channels` samples at `out`.
  (func (export "horizontal")
    (param $in i32) (param $rowBytes i32) (param $rows i32)
    (param $starts i32) (param $counts i32) (param $weights i32) (param $taps i32)
    (param $outputs i32) (param $channels i32) (param $out i32)
    (local $output i32) (local $at i32) (local $w i32) (local $end i32) (local $sum v128)
    (block $done (loop $row
      (br_if $done (i32.le_s (local.get $rows) (i32.const 0)))
      (local.set $output (i32.const 0))
      (block $full (loop $pixel
        (br_if $full (i32.ge_s (local.get $output) (local.get $outputs)))
        (local.set $at (i32.add (local.get $in)
          (i32.mul (local.get $channels)
            (i32.load (i32.add (local.get $starts) (i32.shl (local.get $output) (i32.const 2)))))))
        (local.set $w (i32.add (local.get $weights)
          (i32.shl (i32.mul (local.get $output) (local.get $taps)) (i32.const 2))))
        (local.set $end (i32.add (local.get $w)
          (i32.shl (i32.load (i32.add (local.get $counts) (i32.shl (local.get $output) (i32.const 2)))) (i32.const 2))))
        (local.set $sum (v128.const i32x4 2097152 2097152 2097152 2097152))
        (block $last (loop $tap
          (br_if $last (i32.ge_u (local.get $w) (local.get $end)))
          (local.set $sum (i32x4.add (local.get $sum)
            (i32x4.mul
              (v128.load32_splat (local.get $w))
              (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $at)))))))
          (local.set $at (i32.add (local.get $at) (local.get $channels)))
          (local.set $w (i32.add (local.get $w) (i32.const 4)))
          (br $tap)))
        (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
        (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
        ;; All four lanes, whatever the number of channels: the next pixel writes over those too many.
        (v128.store32_lane 0 (local.get $out) (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
        (local.set $out (i32.add (local.get $out) (local.get $channels)))
        (local.set $output (i32.add (local.get $output) (i32.const 1)))
        (br $pixel)))
      (local.set $in (i32.add (local.get $in) (local.get $rowBytes)))
      (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
      (br $row))))
  ;; One row of `rowBytes` samples at `out`: the sum of `count` rows from `in`, each times its weight.
  (func (export "vertical")
    (param $in i32) (param $rowBytes i32) (param $weights i32) (param $count i32) (param $out i32)
    (local $i i32) (local $at i32) (local $w i32) (local $end i32) (local $weight v128) (local $samples v128)
    (local $low v128) (local $high v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local.set $end (i32.add (local.get $weights) (i32.shl (local.get $count) (i32.const 2))))
    (block $done (loop $chunk
      (br_if $done (i32.ge_s (local.get $i) (local.get $rowBytes)))
      (local.set $s0 (v128.const i32x4 2097152 2097152 2097152 2097152))
      (local.set $s1 (local.get $s0))
      (local.set $s2 (local.get $s0))
      (local.set $s3 (local.get $s0))
      (local.set $at (i32.add (local.get $in) (local.get $i)))
      (local.set $w (local.get $weights))
      (block $last (loop $tap
        (br_if $last (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $weight (v128.load32_splat (local.get $w)))
        (local.set $samples (v128.load (local.get $at)))
        (local.set $low (i16x8.extend_low_i8x16_u (local.get $samples)))
        (local.set $high (i16x8.extend_high_i8x16_u (local.get $samples)))
        (local.set $s0 (i32x4.add (local.get $s0)
          (i32x4.mul (local.get $weight) (i32x4.extend_low_i16x8_u (local.get $low)))))
        (local.set $s1 (i32x4.add (local.get $s1)
          (i32x4.mul (local.get $weight) (i32x4.extend_high_i16x8_u (local.get $low)))))
        (local.set $s2 (i32x4.add (local.get $s2)
          (i32x4.mul (local.get $weight) (i32x4.extend_low_i16x8_u (local.get $high)))))
        (local.set $s3 (i32x4.add (local.get $s3)
          (i32x4.mul (local.get $weight) (i32x4.extend_high_i16x8_u (local.get $high)))))
        (local.set $at (i32.add (local.get $at) (local.get $rowBytes)))
        (local.set $w (i32.add (local.get $w) (i32.const 4)))
        (br $tap)))
      (v128.store (i32.add (local.get $out) (local.get $i))
        (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $s0) (i32.const 22)) (i32x4.shr_s (local.get $s1) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $s2) (i32.const 22)) (i32x4.shr_s (local.get $s3) (i32.const 22)))))
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br $chunk)))))
