;; The callee of the cross-module kernel.
(module
  (memory (export "memory") 1)
  (global (export "step") (mut i32) (i32.const 3))
  (func (export "mix") (param i32 i32) (result i32)
    (i32.add (i32.rotl (local.get 0) (i32.const 5)) (local.get 1))))
