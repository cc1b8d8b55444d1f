;; call_indirect: insertion sort of 1,000 numbers with a comparator from a table.
(module
  (type $compare (func (param i32 i32) (result i32)))
  (table 2 2 funcref)
  (elem (i32.const 0) $ascending $descending)
  (memory 1)
  (func $ascending (type $compare) (i32.lt_u (local.get 0) (local.get 1)))
  (func $descending (type $compare) (i32.gt_u (local.get 0) (local.get 1)))
  (func $sort (param $by i32) (local $i i32) (local $j i32) (local $x i32)
    (local.set $i (i32.const 4))
    (loop $outer
      (local.set $x (i32.load (local.get $i)))
      (local.set $j (local.get $i))
      (block $placed
        (loop $inner
          (br_if $placed (i32.eqz (local.get $j)))
          (br_if $placed (i32.eqz (call_indirect (type $compare)
            (local.get $x) (i32.load (i32.sub (local.get $j) (i32.const 4))) (local.get $by))))
          (i32.store (local.get $j) (i32.load (i32.sub (local.get $j) (i32.const 4))))
          (local.set $j (i32.sub (local.get $j) (i32.const 4)))
          (br $inner)))
      (i32.store (local.get $j) (local.get $x))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 4000)))))
  (func (export "run") (param $n i32) (result i64) (local $i i32) (local $x i32)
    (loop $round
      (local.set $i (i32.const 0))
      (local.set $x (i32.const 7))
      (loop $fill
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
        (i32.store (local.get $i) (local.get $x))
        (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 4000))))
      (call $sort (i32.and (local.get $n) (i32.const 1)))
      (br_if $round (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.load (i32.const 2000))))
