;; Calls, globals and memory across modules.
(module
  (import "library" "mix" (func $mix (param i32 i32) (result i32)))
  (import "library" "memory" (memory 1))
  (import "library" "step" (global $step (mut i32)))
  (func (export "run") (param $n i32) (result i64) (local $x i32)
    (loop $again
      (local.set $x (call $mix (local.get $x) (global.get $step)))
      (i32.store offset=64 (i32.and (local.get $x) (i32.const 0xffc)) (local.get $n))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (local.get $x))))
