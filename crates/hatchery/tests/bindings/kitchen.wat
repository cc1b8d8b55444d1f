;; Has everything that the world `test:kitchen/kitchen` exports, and calls everything that it imports.
(component
  (import "test:units/lengths@0.3.0" (instance $lengths
    (type $u (enum "metre" "foot"))
    (export "unit" (type $unit (eq $u)))
    (type $l (record (field "value" u32) (field "unit" $unit)))
    (export "length" (type $length (eq $l)))))
  (alias export $lengths "length" (type $length))
  (import "test:kitchen/store@1.2.0" (instance $store
    (alias outer 1 $length (type $outer))
    (export "length" (type $length (eq $outer)))
    (type $f (variant (case "missing" string) (case "full") (case "self")))
    (export "failure" (type $failure (eq $f)))
    (type $m (flags "read" "write" "type"))
    (export "mode" (type $mode (eq $m)))
    (export "bucket" (type $bucket (sub resource)))
    (export "[constructor]bucket" (func (param "name" string) (result (own $bucket))))
    (export "[method]bucket.get"
      (func (param "self" (borrow $bucket)) (param "key" string) (result (result $length (error $failure)))))
    (export "[method]bucket.put"
      (func (param "self" (borrow $bucket)) (param "key" string) (param "value" $length)))
    (export "[method]bucket.drop" (func (param "self" (borrow $bucket)) (result u32)))
    (export "[static]bucket.open" (func (param "name" string) (param "mode" $mode) (result (option (own $bucket)))))
    (export "total" (func (param "buckets" (list (borrow $bucket))) (result u32)))))
  (alias export $store "failure" (type $failure))
  (alias export $store "bucket" (type $bucket))
  (import "clock" (instance $clock (export "now" (func (result u64)))))
  (import "log" (func $log (param "line" string)))

  (core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $next))
      (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core func $new (canon lower (func $store "[constructor]bucket") (memory $memory)))
  (core func $get (canon lower (func $store "[method]bucket.get") (memory $memory) (realloc $realloc)))
  (core func $put (canon lower (func $store "[method]bucket.put") (memory $memory)))
  (core func $method-drop (canon lower (func $store "[method]bucket.drop")))
  (core func $open (canon lower (func $store "[static]bucket.open") (memory $memory)))
  (core func $total (canon lower (func $store "total") (memory $memory)))
  (core func $now (canon lower (func $clock "now")))
  (core func $say (canon lower (func $log) (memory $memory)))
  (core func $drop (canon resource.drop $bucket))

  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "new" (func $new (param i32 i32) (result i32)))
    (import "host" "get" (func $get (param i32 i32 i32 i32)))
    (import "host" "put" (func $put (param i32 i32 i32 i32 i32)))
    (import "host" "method-drop" (func $method-drop (param i32) (result i32)))
    (import "host" "open" (func $open (param i32 i32 i32 i32)))
    (import "host" "total" (func $total (param i32 i32) (result i32)))
    (import "host" "now" (func $now (result i64)))
    (import "host" "say" (func $say (param i32 i32)))
    (import "host" "drop" (func $drop (param i32)))

    ;; Makes a bucket and gets a length from it.
    (func (export "run") (param $name i32) (param $bytes i32) (param $key i32) (param $key-bytes i32) (result i32)
      (local $bucket i32)
      (local.set $bucket (call $new (local.get $name) (local.get $bytes)))
      (call $get (local.get $bucket) (local.get $key) (local.get $key-bytes) (i32.const 64))
      (call $drop (local.get $bucket))
      (i32.const 64))

    ;; Opens a bucket for writing and `type`, puts a length under the bucket's name into it, and asks for the total.
    (func (export "fill") (param $name i32) (param $bytes i32) (param $value i32) (param $unit i32) (result i32)
      (local $bucket i32) (local $total i32)
      (call $say (local.get $name) (local.get $bytes))
      (call $open (local.get $name) (local.get $bytes) (i32.const 6) (i32.const 32))
      (if (i32.eqz (i32.load8_u (i32.const 32))) (then (return (i32.const -1))))
      (local.set $bucket (i32.load (i32.const 36)))
      (call $put (local.get $bucket) (local.get $name) (local.get $bytes) (local.get $value) (local.get $unit))
      (i32.store (i32.const 128) (local.get $bucket))
      (i32.store (i32.const 132) (local.get $bucket))
      (local.set $total (call $total (i32.const 128) (i32.const 2)))
      (local.set $total (i32.add (local.get $total) (call $method-drop (local.get $bucket))))
      (call $drop (local.get $bucket))
      (local.get $total))

    (func (export "time") (result i64) (call $now)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "new" (func $new)) (export "get" (func $get)) (export "put" (func $put))
      (export "method-drop" (func $method-drop)) (export "open" (func $open)) (export "total" (func $total))
      (export "now" (func $now)) (export "say" (func $say)) (export "drop" (func $drop))))))

  (func (export "run") (param "name" string) (param "key" string) (result (result $length (error $failure)))
    (canon lift (core func $main "run") (memory $memory) (realloc $realloc)))
  (func (export "fill") (param "name" string) (param "value" $length) (result u32)
    (canon lift (core func $main "fill") (memory $memory) (realloc $realloc)))
  (func (export "time") (result u64) (canon lift (core func $main "time")))

  ;; A counter's representation is the address of its count.
  (type $counter (resource (rep i32)))
  (core func $new-handle (canon resource.new $counter))
  (core module $count
    (import "libc" "memory" (memory 1))
    (import "host" "new" (func $new (param i32) (result i32)))
    (global $next (mut i32) (i32.const 256))
    (func (export "new") (param $start i32) (result i32)
      (global.set $next (i32.add (global.get $next) (i32.const 4)))
      (i32.store (global.get $next) (local.get $start))
      (call $new (global.get $next)))
    (func (export "add") (param $counter i32) (param $n i32) (result i32)
      (i32.store (local.get $counter) (i32.add (i32.load (local.get $counter)) (local.get $n)))
      (i32.load (local.get $counter))))
  (core instance $count (instantiate $count
    (with "libc" (instance $libc)) (with "host" (instance (export "new" (func $new-handle))))))
  (func $new-counter (param "start" u32) (result (own $counter)) (canon lift (core func $count "new")))
  (func $add (param "self" (borrow $counter)) (param "n" u32) (result u32) (canon lift (core func $count "add")))

  (component $counters
    (import "counter" (type $counter (sub resource)))
    (import "new" (func $new (param "start" u32) (result (own $counter))))
    (import "add" (func $add (param "self" (borrow $counter)) (param "n" u32) (result u32)))
    (export $named "counter" (type $counter))
    (export "[constructor]counter" (func $new) (func (param "start" u32) (result (own $named))))
    (export "[method]counter.add" (func $add) (func (param "self" (borrow $named)) (param "n" u32) (result u32))))
  (instance $counters (instantiate $counters
    (with "counter" (type $counter)) (with "new" (func $new-counter)) (with "add" (func $add))))
  (export "test:kitchen/counters@1.2.0" (instance $counters)))
