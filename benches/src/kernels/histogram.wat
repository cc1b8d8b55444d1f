;; A byte histogram over 256 KiB.
(module
  (memory 5)
  (func (export "run") (param $n i32) (result i64) (local $i i32) (local $x i32) (local $at i32)
    (local.set $x (i32.const 1))
    (loop $fill
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
      (i32.store (i32.add (local.get $i) (i32.const 4096)) (local.get $x))
      (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 262144))))
    (loop $round
      (local.set $i (i32.const 0))
      (loop $again
        (local.set $at (i32.shl (i32.load8_u offset=4096 (local.get $i)) (i32.const 2)))
        (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 262144))))
      (br_if $round (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (i32.add (i32.load (i32.const 40)) (i32.mul (i32.load (i32.const 1020)) (i32.const 31))))))
