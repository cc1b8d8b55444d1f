;; SIMD: a dot product of 16-bit lanes over 64 KiB.
(module
  (memory 1)
  (func (export "run") (param $n i32) (result i64) (local $i i32) (local $sum v128)
    (loop $fill
      (i32.store16 (local.get $i) (i32.mul (local.get $i) (i32.const 31)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 2))) (i32.const 65536))))
    (loop $round
      (local.set $i (i32.const 0))
      (loop $again
        (local.set $sum
          (i32x4.add (local.get $sum)
            (i32x4.dot_i16x8_s (v128.load (local.get $i)) (i16x8.add (v128.load offset=16 (local.get $i)) (i16x8.splat (i32.const 3))))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 32))) (i32.const 65536))))
      (br_if $round (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.add (i64x2.extract_lane 0 (local.get $sum)) (i64x2.extract_lane 1 (local.get $sum)))))
