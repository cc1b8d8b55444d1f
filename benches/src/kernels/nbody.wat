;; Floating point in registers: an orbit by leapfrog steps, with divisions and square roots.
(module
  (func (export "run") (param $n i32) (result i64) (local $x f64) (local $y f64) (local $u f64) (local $v f64) (local $r f64) (local $f f64)
    (local.set $x (f64.const 1))
    (local.set $v (f64.const 1.1))
    (loop $again
      (local.set $x (f64.add (local.get $x) (f64.mul (local.get $u) (f64.const 0.001))))
      (local.set $y (f64.add (local.get $y) (f64.mul (local.get $v) (f64.const 0.001))))
      (local.set $r (f64.sqrt (f64.add (f64.mul (local.get $x) (local.get $x)) (f64.mul (local.get $y) (local.get $y)))))
      (local.set $f (f64.div (f64.const -0.001) (f64.mul (local.get $r) (f64.mul (local.get $r) (local.get $r)))))
      (local.set $u (f64.add (local.get $u) (f64.mul (local.get $x) (local.get $f))))
      (local.set $v (f64.add (local.get $v) (f64.mul (local.get $y) (local.get $f))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.reinterpret_f64 (f64.add (local.get $x) (local.get $y)))))
