;; What is no component.

(component definition (core module))
(assert_malformed (component binary "\00asm" "\0d\00\01") "unexpected end")
(assert_malformed (component quote "(core module") "expected `)`")
(assert_invalid (component (core instance (instantiate 0))) "unknown module")
(assert_invalid (component (import "f" (func)) (import "f" (func))) "conflicts with previous name")
(assert_invalid (component (core module (func (result i32)))) "type mismatch")
(assert_invalid (component (type (record))) "must have at least one field")
