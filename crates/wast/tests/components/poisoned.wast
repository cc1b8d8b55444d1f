;; An instance that has trapped cannot be entered again, by whichever export.

(component definition $C
  (core module $M (func (export "f") unreachable) (func (export "g")))
  (core instance $m (instantiate $M))
  (func (export "f") (canon lift (core func $m "f")))
  (func (export "g") (canon lift (core func $m "g"))))

(component instance $i $C)
(assert_return (invoke "g"))
(assert_trap (invoke "f") "wasm trap: wasm `unreachable` instruction executed")
(assert_trap (invoke "g") "cannot enter component instance")
(assert_trap (invoke "f") "cannot enter component instance")
