;; Takes some 50 ms to initialize: how many steps of the Collatz iteration 98,304 numbers need to reach 1.
;; `wizer.initialize` fills a table with them; `longest` looks the longest up, and fills the table first if nobody has.
(module $precompute
  (memory (export "memory") 3)
  (global $filled (mut i32) (i32.const 0))
  ;; Numbers from here on have some hundreds of steps each.
  (global $first i64 (i64.const 1099511627776))

  (func $steps (param $n i64) (result i32) (local $count i32)
    (loop $again
      (if (i64.gt_u (local.get $n) (i64.const 1))
        (then
          (local.set $n
            (select
              (i64.add (i64.mul (local.get $n) (i64.const 3)) (i64.const 1))
              (i64.shr_u (local.get $n) (i64.const 1))
              (i32.wrap_i64 (i64.and (local.get $n) (i64.const 1)))))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br $again))))
    (local.get $count))

  (func $fill (local $i i32)
    (loop $next
      (i32.store16
        (i32.shl (local.get $i) (i32.const 1))
        (call $steps (i64.add (global.get $first) (i64.extend_i32_u (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 98304))))
    (global.set $filled (i32.const 1)))

  (func (export "wizer.initialize") (call $fill))

  ;; One look: the steps of the first number.
  (func (export "first") (result i32)
    (if (i32.eqz (global.get $filled)) (then (call $fill)))
    (i32.load16_u (i32.const 0)))

  (func (export "longest") (result i32) (local $i i32) (local $most i32) (local $now i32)
    (if (i32.eqz (global.get $filled)) (then (call $fill)))
    (loop $next
      (local.set $now (i32.load16_u (i32.shl (local.get $i) (i32.const 1))))
      (local.set $most
        (select (local.get $now) (local.get $most) (i32.gt_u (local.get $now) (local.get $most))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 98304))))
    (local.get $most)))
