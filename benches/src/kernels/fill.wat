;; Memory-bound: storing a mebibyte, four bytes at a time.
(module
  (memory 17)
  (func (export "run") (param $n i32) (result i64) (local $i i32)
    (loop $round
      (local.set $i (i32.const 0))
      (loop $again
        (i32.store (local.get $i) (i32.add (local.get $i) (local.get $n)))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1048576))))
      (br_if $round (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.load (i32.const 1000))))
