;; call_indirect: one hot target.
(module
  (type $f (func (param i32) (result i32)))
  (table 4 4 funcref)
  (elem (i32.const 0) $a $b $c $d)
  (func $a (type $f) (i32.add (local.get 0) (i32.const 1)))
  (func $b (type $f) (i32.add (local.get 0) (i32.const 2)))
  (func $c (type $f) (i32.add (local.get 0) (i32.const 3)))
  (func $d (type $f) (i32.add (local.get 0) (i32.const 4)))
  (func (export "run") (param $n i32) (result i64) (local $x i32) (local $which i32)
    (local.set $which (i32.and (local.get $n) (i32.const 0)))
    (loop $again
      (local.set $x (call_indirect (type $f) (local.get $x) (local.get $which)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (local.get $x))))
