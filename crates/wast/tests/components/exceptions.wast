;; Exceptions stay in the component that throws them: what a function that is lifted lets out is a trap, and no code
;; of whoever called it catches it.

(component
  (component $Thrower
    (core module $M (tag $e (param i32)) (func (export "throw") (throw $e (i32.const 1))))
    (core instance $m (instantiate $M))
    (func (export "throw") (canon lift (core func $m "throw"))))
  (component $Catcher
    (import "throw" (func $throw))
    (core func $lowered (canon lower (func $throw)))
    (core module $M
      (import "" "throw" (func $throw))
      (func (export "run") (result i32)
        (block $h (try_table (catch_all $h) (call $throw)))
        (i32.const 1)))
    (core instance $m (instantiate $M (with "" (instance (export "throw" (func $lowered))))))
    (func (export "run") (result u32) (canon lift (core func $m "run"))))
  (instance $thrower (instantiate $Thrower))
  (instance $catcher (instantiate $Catcher (with "throw" (func $thrower "throw"))))
  (export "run" (func $catcher "run")))

(assert_trap (invoke "run") "uncaught exception")

;; A destructor is called as a function that is lifted, even by the component that has it.
(component
  (core module $Dtor (tag $e (export "e")) (func (export "dtor") (param i32) (throw $e)))
  (core instance $dtor (instantiate $Dtor))
  (type $r (resource (rep i32) (dtor (core func $dtor "dtor"))))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core module $M
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (import "dtor" "e" (tag $e))
    (func (export "run") (result i32)
      (block $h (try_table (catch $e $h) (call $drop (call $new (i32.const 7)))))
      (i32.const 1)))
  (core instance $m (instantiate $M
    (with "" (instance (export "new" (func $new)) (export "drop" (func $drop))))
    (with "dtor" (instance $dtor))))
  (func (export "run") (result u32) (canon lift (core func $m "run"))))

(assert_trap (invoke "run") "uncaught exception")

;; In a component, exceptions pass from one core instance to another.
(component
  (core module $Thrower (tag $e (export "e") (param i32)) (func (export "throw") (throw $e (i32.const 42))))
  (core instance $thrower (instantiate $Thrower))
  (core module $M
    (import "t" "throw" (func $throw))
    (import "t" "e" (tag $e (param i32)))
    (func (export "run") (result i32)
      (block $h (result i32) (try_table (catch $e $h) (call $throw)) (unreachable))))
  (core instance $m (instantiate $M (with "t" (instance $thrower))))
  (func (export "run") (result u32) (canon lift (core func $m "run"))))

(assert_return (invoke "run") (u32.const 42))
