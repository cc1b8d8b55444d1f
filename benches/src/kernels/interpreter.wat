;; Branchy: a bytecode interpreter with a jump table.
(module
  (memory 1)
  ;; add 3; xor 0x55; mul 5; rotate; jump back
  (data (i32.const 0) "\00\01\02\03\00\02\01\03\04")
  (func (export "run") (param $n i32) (result i64) (local $pc i32) (local $x i32)
    (block $stop
      (loop $next
        (block $default
          (block $jump
            (block $rotate
              (block $mul
                (block $xor
                  (block $add
                    (br_table $add $xor $mul $rotate $jump $default (i32.load8_u (local.get $pc))))
                  (local.set $x (i32.add (local.get $x) (i32.const 3)))
                  (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                  (br $next))
                (local.set $x (i32.xor (local.get $x) (i32.const 0x55)))
                (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
                (br $next))
              (local.set $x (i32.mul (local.get $x) (i32.const 5)))
              (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
              (br $next))
            (local.set $x (i32.rotl (local.get $x) (i32.const 7)))
            (local.set $pc (i32.add (local.get $pc) (i32.const 1)))
            (br $next))
          (local.set $pc (i32.const 0))
          (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
          (br $stop))
        (unreachable)))
    (i64.extend_i32_u (local.get $x))))
