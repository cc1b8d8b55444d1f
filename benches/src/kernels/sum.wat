;; Memory-bound: the sum of a mebibyte of i32.
(module
  (memory 17)
  (func (export "run") (param $n i32) (result i64) (local $i i32) (local $sum i32)
    (loop $fill
      (i32.store (local.get $i) (i32.mul (local.get $i) (i32.const 2654435761)))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1048576))))
    (loop $round
      (local.set $i (i32.const 0))
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $i))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1048576))))
      (br_if $round (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (local.get $sum))))
