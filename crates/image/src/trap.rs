//! Why a guest stopped.

use core::fmt;

macro_rules! trap_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// The reasons for which WebAssembly code, or the machine on its behalf, stops a guest.
        ///
        /// The texts are those of the core specification's test suite where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// A component instance called out while it must not: in `realloc` or `post-return`.
    CannotLeave = 18, "cannot leave component instance";
    /// No handle has this index. The detail is the index.
    UnknownHandle = 19, "unknown handle index";
    /// The handle is of another resource type; both are defined by guests. The detail is the index.
    OtherGuestResource = 20, "handle index used with the wrong type, \
        expected guest-defined resource but found a different guest-defined resource";
    /// The handle is one of a host's resource. The detail is the index.
    HostNotGuestResource = 21, "handle index used with the wrong type, \
        expected guest-defined resource but found host-defined resource";
    /// The handle is one of a guest's resource. The detail is the index.
    GuestNotHostResource = 22, "handle index used with the wrong type, \
        expected host-defined resource but found guest-defined resource";
    /// The handle is of another resource type; both are defined by the host. The detail is the index.
    OtherHostResource = 23, "handle index used with the wrong type, \
        expected host-defined resource but found a different host-defined resource";
    /// A borrowed handle where an owned one is given away. The detail is the index.
    NotOwned = 24, "handle index is borrowed and cannot be passed as owned";
    /// A handle is given away or dropped during a call that it is lent to.
    LentHandle = 25, "cannot remove owned resource while borrowed";
    /// A function returned without having dropped what it borrowed.
    BorrowsRemain = 26, "borrow handles still remain at the end of the call";
    /// Handle tables have no room left.
    HandleTableFull = 27, "no room left for handles";
    /// A pointer of the canonical ABI is no multiple of its alignment.
    UnalignedPointer = 28, "unaligned pointer";
    /// Parameters or results in memory are beyond its length.
    PointerOutOfBounds = 29, "canonical ABI pointer out of bounds";
    /// The number of a case that a variant does not have.
    InvalidDiscriminant = 30, "invalid variant discriminant";
    /// A number that is no Unicode scalar value.
    InvalidChar = 31, "invalid `char` bit pattern";
    /// A string is beyond the memory's length.
    StringOutOfBounds = 32, "string content out-of-bounds";
    /// A list is beyond the memory's length.
    ListOutOfBounds = 33, "list content out-of-bounds";
    /// A string of 2^28 bytes or more.
    StringTooLong = 34, "string has more than 268435455 bytes";
    /// A list of 2^28 bytes or more.
    ListTooLong = 35, "list has more than 268435455 bytes";
    /// A string that is not UTF-8.
    InvalidUtf8 = 36, "invalid utf-8";
    /// A string that ends in the middle of a character.
    IncompleteUtf8 = 37, "incomplete utf-8 byte sequence";
    /// A string with half of a surrogate pair.
    InvalidUtf16 = 38, "invalid utf-16: unpaired surrogate";
    /// What the host's `realloc` returned is beyond the memory's length.
    ReallocOutOfBounds = 39, "realloc return: beyond end of memory";
    /// What the host's `realloc` returned is no multiple of the alignment that was asked for.
    ReallocUnaligned = 40, "realloc return: result not aligned";
    /// A string that the host was given is beyond the memory's length.
    HostStringOutOfBounds = 41, "string pointer/length out of bounds of memory";
    /// An exception that no code between the throw and the host, or the next component, catches.
    UncaughtException = 42, "uncaught exception";
    /// `throw_ref` of null.
    NullExceptionReference = 43, "null exception reference";
    /// The guest holds references to as many exceptions as its limits allow.
    ExceptionsExhausted = 44, "no room left for exceptions";
}

/// A trap in words, with what it was about. Made by [`TrapCode::describe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    code: TrapCode,
    detail: Option<u32>,
}

impl TrapCode {
    /// The message, with the number that it is about where the message has a place for one.
    pub const fn describe(self, detail: Option<u32>) -> Description {
        Description { code: self, detail }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PLACE: &str = "handle index";
        let message = self.code.message();
        match (self.detail, message.split_once(PLACE)) {
            (Some(detail), Some((before, behind))) => write!(f, "{before}{PLACE} {detail}{behind}"),
            _ => f.write_str(message),
        }
    }
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for TrapCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_a_handle_has_its_index() {
        let unknown = |detail| TrapCode::UnknownHandle.describe(detail).to_string();
        assert_eq!(unknown(Some(u32::MAX)), "unknown handle index 4294967295");
        assert_eq!(unknown(None), "unknown handle index");
        assert_eq!(
            TrapCode::OtherGuestResource.describe(Some(1)).to_string(),
            "handle index 1 used with the wrong type, expected guest-defined resource but found a different \
             guest-defined resource"
        );
        assert_eq!(TrapCode::UnalignedPointer.describe(Some(1)).to_string(), "unaligned pointer");
    }
}
