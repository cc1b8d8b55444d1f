;; How instances of one component come to share or not to share.

(component
  (component $Counter
    (core module $M
      (global $n (mut i32) (i32.const 0))
      (func (export "next") (result i32)
        (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (global.get $n)))
    (core instance $m (instantiate $M))
    (func (export "next") (result u32) (canon lift (core func $m "next"))))
  (component $Twice
    (import "next" (func $next (result u32)))
    (core func $lowered (canon lower (func $next)))
    (core module $M
      (import "" "next" (func $next (result i32)))
      (func (export "twice") (result i32)
        (i32.add (i32.mul (call $next) (i32.const 100)) (call $next))))
    (core instance $m (instantiate $M (with "" (instance (export "next" (func $lowered))))))
    (func (export "twice") (result u32) (canon lift (core func $m "twice"))))
  (instance $a (instantiate $Counter))
  (instance $b (instantiate $Counter))
  (instance $on-a (instantiate $Twice (with "next" (func $a "next"))))
  (func (export "a") (alias export $a "next"))
  (func (export "b") (alias export $b "next"))
  (func (export "twice-a") (alias export $on-a "twice")))

(assert_return (invoke "a") (u32.const 1))
(assert_return (invoke "twice-a") (u32.const 203))
(assert_return (invoke "a") (u32.const 4))
(assert_return (invoke "b") (u32.const 1))

;; A module of the surroundings is instantiated inside; a core instance is made from exports of two.
(component
  (core module $Const (func (export "ten") (result i32) (i32.const 10)))
  (component $Inner
    (alias outer 1 $Const (core module $Const))
    (core instance $c (instantiate $Const))
    (core module $Add
      (import "n" "left" (func $left (result i32)))
      (import "n" "right" (func $right (result i32)))
      (func (export "sum") (result i32) (i32.add (call $left) (call $right))))
    (core instance $add (instantiate $Add
      (with "n" (instance (export "left" (func $c "ten")) (export "right" (func $c "ten"))))))
    (func (export "sum") (result s32) (canon lift (core func $add "sum"))))
  (instance $i (instantiate $Inner))
  (func (export "sum") (alias export $i "sum")))

(assert_return (invoke "sum") (s32.const 20))

;; Start functions run once for each instance, when it is made.
(component definition $Started
  (core module $M
    (global $n (mut i32) (i32.const 5))
    (func $start (global.set $n (i32.mul (global.get $n) (i32.const 2))))
    (start $start)
    (func (export "n") (result i32) (global.get $n)))
  (core instance $m (instantiate $M))
  (func (export "n") (result u32) (canon lift (core func $m "n"))))
(component instance $first $Started)
(component instance $second $Started)
(assert_return (invoke $first "n") (u32.const 10))
(assert_return (invoke $second "n") (u32.const 10))

(assert_trap
  (component
    (core module $M (func $start unreachable) (start $start))
    (core instance (instantiate $M)))
  "unreachable")
