//! Why a guest stopped.

use core::fmt;

macro_rules! trap_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// The reasons for which WebAssembly code, or the machine on its behalf, stops a guest.
        ///
        /// The texts are those of the core specification's test suite where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TrapCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl TrapCode {
            /// Every code.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name),*];

            /// The code with this number.
            pub const fn from_number(number: u8) -> Option<TrapCode> {
                match number {
                    $($number => Some(TrapCode::$name),)*
                    _ => None,
                }
            }

            /// A short lower-case sentence without a full stop.
            pub const fn message(self) -> &'static str {
                match self {
                    $(TrapCode::$name => $text,)*
                }
            }
        }
    };
}

trap_codes! {
    /// An `unreachable` instruction.
    Unreachable = 1, "unreachable";
    /// A memory access beyond the memory's length.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// A table access beyond the table's length, other than by `call_indirect`.
    TableOutOfBounds = 3, "out of bounds table access";
    /// `call_indirect` beyond the table's length.
    UndefinedElement = 4, "undefined element";
    /// `call_indirect` of a null element.
    UninitializedElement = 5, "uninitialized element";
    /// `call_indirect` of a function of another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// `i32.div_s` and relatives: the result does not fit.
    IntegerOverflow = 7, "integer overflow";
    /// Division or remainder by zero.
    IntegerDivideByZero = 8, "integer divide by zero";
    /// Truncation of a NaN to an integer.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The guest stack is used up.
    StackOverflow = 10, "call stack exhausted";
    /// `ref.as_non_null` of null.
    NullReference = 11, "null reference";
    /// `call_ref` of null.
    NullFunctionReference = 12, "null function reference";
    /// The deadline has passed.
    DeadlineExceeded = 13, "deadline exceeded";
    /// All fuel is used up.
    OutOfFuel = 14, "all fuel consumed";
    /// The call was cancelled by the host.
    Cancelled = 15, "call cancelled";
    /// An atomic access to an address that is no multiple of its width.
    UnalignedAtomic = 16, "unaligned atomic";
    /// An async host function was reached from a call that cannot be suspended.
    CannotSuspend = 17, "an async host function was called from a call that cannot be suspended";
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for TrapCode {}
