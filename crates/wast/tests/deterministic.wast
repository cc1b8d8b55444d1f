;; Where the specification leaves results open, deterministic engines give one of them: every NaN that an
;; instruction makes is the positive canonical one, and relaxed vector operators do what the
;; specification's deterministic profile says.

(module
  (func (export "f32.add") (param f32 f32) (result f32) (f32.add (local.get 0) (local.get 1)))
  (func (export "f64.mul") (param f64 f64) (result f64) (f64.mul (local.get 0) (local.get 1)))
  (func (export "f32.min") (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1)))
  (func (export "f64.sqrt") (param f64) (result f64) (f64.sqrt (local.get 0)))
  (func (export "f32.ceil") (param f32) (result f32) (f32.ceil (local.get 0)))
  (func (export "f32.demote_f64") (param f64) (result f32) (f32.demote_f64 (local.get 0)))
  (func (export "f64.promote_f32") (param f32) (result f64) (f64.promote_f32 (local.get 0)))
  (func (export "f32.neg") (param f32) (result f32) (f32.neg (local.get 0)))
  (func (export "f32x4.sub") (param v128 v128) (result v128) (f32x4.sub (local.get 0) (local.get 1)))
  (func (export "f64x2.max") (param v128 v128) (result v128) (f64x2.max (local.get 0) (local.get 1)))
  (func (export "f64x2.promote_low_f32x4") (param v128) (result v128) (f64x2.promote_low_f32x4 (local.get 0))))

(assert_return (invoke "f32.add" (f32.const -nan:0x200001) (f32.const 1)) (f32.const nan:0x400000))
(assert_return (invoke "f32.add" (f32.const inf) (f32.const -inf)) (f32.const nan:0x400000))
(assert_return (invoke "f64.mul" (f64.const -nan:0x1) (f64.const nan:0x2)) (f64.const nan:0x8000000000000))
(assert_return (invoke "f64.mul" (f64.const 0) (f64.const inf)) (f64.const nan:0x8000000000000))
(assert_return (invoke "f32.min" (f32.const -nan) (f32.const 1)) (f32.const nan:0x400000))
(assert_return (invoke "f64.sqrt" (f64.const -1)) (f64.const nan:0x8000000000000))
(assert_return (invoke "f32.ceil" (f32.const -nan:0x400001)) (f32.const nan:0x400000))
(assert_return (invoke "f32.demote_f64" (f64.const -nan:0xf000000000000)) (f32.const nan:0x400000))
(assert_return (invoke "f64.promote_f32" (f32.const -nan:0x400001)) (f64.const nan:0x8000000000000))
;; Sign operations keep the payload in any case.
(assert_return (invoke "f32.neg" (f32.const nan:0x400001)) (f32.const -nan:0x400001))
(assert_return
  (invoke "f32x4.sub" (v128.const f32x4 -nan inf 3 nan:0x1) (v128.const f32x4 1 inf 1 1))
  (v128.const f32x4 nan:0x400000 nan:0x400000 2 nan:0x400000))
(assert_return
  (invoke "f64x2.max" (v128.const f64x2 -nan:0x1 1) (v128.const f64x2 1 -nan))
  (v128.const f64x2 nan:0x8000000000000 nan:0x8000000000000))
(assert_return
  (invoke "f64x2.promote_low_f32x4" (v128.const f32x4 -nan:0x400001 1 0 0))
  (v128.const f64x2 nan:0x8000000000000 1))

(module
  (func (export "swizzle") (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))
  (func (export "trunc_f32x4_s") (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))
  (func (export "trunc_f32x4_u") (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_u (local.get 0)))
  (func (export "trunc_f64x2_s") (param v128) (result v128) (i32x4.relaxed_trunc_f64x2_s_zero (local.get 0)))
  (func (export "trunc_f64x2_u") (param v128) (result v128) (i32x4.relaxed_trunc_f64x2_u_zero (local.get 0)))
  (func (export "f32x4.madd") (param v128 v128 v128) (result v128)
    (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "f32x4.nmadd") (param v128 v128 v128) (result v128)
    (f32x4.relaxed_nmadd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "f64x2.madd") (param v128 v128 v128) (result v128)
    (f64x2.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "f64x2.nmadd") (param v128 v128 v128) (result v128)
    (f64x2.relaxed_nmadd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "i8x16.laneselect") (param v128 v128 v128) (result v128)
    (i8x16.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "i16x8.laneselect") (param v128 v128 v128) (result v128)
    (i16x8.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "i32x4.laneselect") (param v128 v128 v128) (result v128)
    (i32x4.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "i64x2.laneselect") (param v128 v128 v128) (result v128)
    (i64x2.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "f32x4.min") (param v128 v128) (result v128) (f32x4.relaxed_min (local.get 0) (local.get 1)))
  (func (export "f32x4.max") (param v128 v128) (result v128) (f32x4.relaxed_max (local.get 0) (local.get 1)))
  (func (export "f64x2.min") (param v128 v128) (result v128) (f64x2.relaxed_min (local.get 0) (local.get 1)))
  (func (export "f64x2.max") (param v128 v128) (result v128) (f64x2.relaxed_max (local.get 0) (local.get 1)))
  (func (export "q15mulr") (param v128 v128) (result v128) (i16x8.relaxed_q15mulr_s (local.get 0) (local.get 1)))
  (func (export "dot") (param v128 v128) (result v128)
    (i16x8.relaxed_dot_i8x16_i7x16_s (local.get 0) (local.get 1)))
  (func (export "dot_add") (param v128 v128 v128) (result v128)
    (i32x4.relaxed_dot_i8x16_i7x16_add_s (local.get 0) (local.get 1) (local.get 2))))

;; Indices out of range give 0.
(assert_return
  (invoke "swizzle"
    (v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    (v128.const i8x16 0 15 16 17 31 32 127 128 255 1 2 3 4 5 6 7))
  (v128.const i8x16 1 16 0 0 0 0 0 0 0 2 3 4 5 6 7 8))

;; Truncation saturates.
(assert_return
  (invoke "trunc_f32x4_s" (v128.const f32x4 nan inf -inf 3e9))
  (v128.const i32x4 0 0x7fffffff 0x80000000 0x7fffffff))
(assert_return
  (invoke "trunc_f32x4_u" (v128.const f32x4 nan inf -1 3e9))
  (v128.const i32x4 0 0xffffffff 0 3000000000))
(assert_return (invoke "trunc_f64x2_s" (v128.const f64x2 nan 3e9)) (v128.const i32x4 0 0x7fffffff 0 0))
(assert_return (invoke "trunc_f64x2_u" (v128.const f64x2 -1 5e9)) (v128.const i32x4 0 0xffffffff 0 0))

;; Products are not rounded before they are added: (1 + 2^-12)^2 is 1 + 2^-11 + 2^-24.
(assert_return
  (invoke "f32x4.madd"
    (v128.const f32x4 0x1.001p0 2 -inf -nan:0x1)
    (v128.const f32x4 0x1.001p0 3 1 1)
    (v128.const f32x4 -0x1.002p0 4 inf 1))
  (v128.const f32x4 0x1p-24 10 nan:0x400000 nan:0x400000))
(assert_return
  (invoke "f32x4.nmadd"
    (v128.const f32x4 0x1.001p0 2 inf nan)
    (v128.const f32x4 0x1.001p0 3 1 1)
    (v128.const f32x4 0x1.002p0 4 inf 1))
  (v128.const f32x4 -0x1p-24 -2 nan:0x400000 nan:0x400000))
(assert_return
  (invoke "f64x2.madd"
    (v128.const f64x2 0x1.0000002p0 -nan:0x1)
    (v128.const f64x2 0x1.0000002p0 1)
    (v128.const f64x2 -0x1.0000004p0 1))
  (v128.const f64x2 0x1p-54 nan:0x8000000000000))
(assert_return
  (invoke "f64x2.nmadd"
    (v128.const f64x2 0x1.0000002p0 5)
    (v128.const f64x2 0x1.0000002p0 6)
    (v128.const f64x2 0x1.0000004p0 7))
  (v128.const f64x2 -0x1p-54 -23))

;; Lanes are selected bit by bit.
(assert_return
  (invoke "i8x16.laneselect"
    (v128.const i8x16 0xff 0xff 0xff 0xff 0 0 0 0 0 0 0 0 0 0 0 0)
    (v128.const i8x16 0 0 0 0 0xff 0 0 0 0 0 0 0 0 0 0 0)
    (v128.const i8x16 0x80 0x7f 0xff 0 0x80 0 0 0 0 0 0 0 0 0 0 0))
  (v128.const i8x16 0x80 0x7f 0xff 0 0x7f 0 0 0 0 0 0 0 0 0 0 0))
(assert_return
  (invoke "i16x8.laneselect"
    (v128.const i16x8 0xffff 0xffff 0xffff 0 0 0 0 0)
    (v128.const i16x8 0 0 0 0 0 0 0 0)
    (v128.const i16x8 0x8000 0x0080 0x7fff 0 0 0 0 0))
  (v128.const i16x8 0x8000 0x0080 0x7fff 0 0 0 0 0))
(assert_return
  (invoke "i32x4.laneselect"
    (v128.const i32x4 -1 -1 -1 -1)
    (v128.const i32x4 0 0 0 0)
    (v128.const i32x4 0x80000000 0x7fffffff 0 1))
  (v128.const i32x4 0x80000000 0x7fffffff 0 1))
(assert_return
  (invoke "i64x2.laneselect" (v128.const i64x2 -1 -1) (v128.const i64x2 0 0) (v128.const i64x2 0x8000000000000000 1))
  (v128.const i64x2 0x8000000000000000 1))

;; Minimum and maximum order zeros and propagate NaN.
(assert_return
  (invoke "f32x4.min" (v128.const f32x4 -nan 1 0 -0) (v128.const f32x4 1 nan -0 0))
  (v128.const f32x4 nan:0x400000 nan:0x400000 -0 -0))
(assert_return
  (invoke "f32x4.max" (v128.const f32x4 -nan 1 0 -0) (v128.const f32x4 1 nan -0 0))
  (v128.const f32x4 nan:0x400000 nan:0x400000 0 0))
(assert_return
  (invoke "f64x2.min" (v128.const f64x2 1 0) (v128.const f64x2 nan -0))
  (v128.const f64x2 nan:0x8000000000000 -0))
(assert_return
  (invoke "f64x2.max" (v128.const f64x2 nan -0) (v128.const f64x2 1 0))
  (v128.const f64x2 nan:0x8000000000000 0))

;; -1 times -1 saturates.
(assert_return
  (invoke "q15mulr" (v128.const i16x8 -32768 -32768 1 0 0 0 0 0) (v128.const i16x8 -32768 32767 16384 0 0 0 0 0))
  (v128.const i16x8 32767 -32767 1 0 0 0 0 0))

;; Bytes of both operands are signed; sums wrap.
(assert_return
  (invoke "dot"
    (v128.const i8x16 -128 -128 -128 -128 1 2 0 0 0 0 0 0 0 0 0 0)
    (v128.const i8x16 -127 -127 -128 -128 3 -4 0 0 0 0 0 0 0 0 0 0))
  (v128.const i16x8 32512 -32768 -5 0 0 0 0 0))
(assert_return
  (invoke "dot_add"
    (v128.const i8x16 -128 -128 -128 -128 1 2 3 4 0 0 0 0 0 0 0 0)
    (v128.const i8x16 -127 -127 -128 -128 5 6 7 8 0 0 0 0 0 0 0 0)
    (v128.const i32x4 1 1 1 1))
  (v128.const i32x4 -255 71 1 1))
