//! The one error type, opaque, with a kind.

use crate::backtrace::{Frame, write_backtrace};
use hatchery_image::TrapCode;
use hatchery_init::ScheduleError;
use hatchery_vm::{Backtrace, CallError, StackError, StepError, StepFailure};
use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as a program needs to distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The guest trapped; see [`Error::trap`].
    Trap,
    /// All that there is of something is in use: slots, stacks, memory. Retrying after something was given back
    /// may succeed; see [`Prepared::instantiate_blocking`](crate::Prepared::instantiate_blocking).
    Exhausted,
    /// More is asked for than there can ever be, by the configuration or the system: larger slots, more slots, a longer
    /// memory. Waiting does not help; the message says what is needed and what the limit is.
    Limit,
    /// The bytes are no valid WebAssembly, or need a proposal that is not supported, or exceed a limit.
    Compile,
    /// A file is no artifact, or not one for this machine, version or engine.
    Artifact,
    /// An artifact's file was shortened while it was in use. Nothing that was made of it can be relied on any more.
    Withdrawn,
    /// Imports and exports do not fit together.
    Link,
    /// The caller asked for something that is not there or has another type.
    Usage,
    /// A host function, or the operating system, failed.
    Host,
    /// A component trapped earlier and refuses to be called.
    Poisoned,
    /// We are at fault.
    Bug,
}

/// Why a guest stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trap {
    /// An `unreachable` instruction.
    Unreachable,
    /// A memory access beyond the memory's length.
    MemoryOutOfBounds,
    /// A table access beyond the table's length.
    TableOutOfBounds,
    /// `call_indirect` beyond the table's length.
    UndefinedElement,
    /// `call_indirect` of a null element.
    UninitializedElement,
    /// `call_indirect` of a function of another type.
    IndirectCallTypeMismatch,
    /// The result of an integer operation does not fit.
    IntegerOverflow,
    /// Division or remainder by zero.
    IntegerDivideByZero,
    /// Truncation of a NaN to an integer.
    InvalidConversionToInteger,
    /// The guest's stack is used up.
    StackOverflow,
    /// `ref.as_non_null` of null.
    NullReference,
    /// `call_ref` of null.
    NullFunctionReference,
    /// The deadline has passed.
    DeadlineExceeded,
    /// All fuel is consumed.
    OutOfFuel,
    /// The call was cancelled by the host.
    Cancelled,
    /// An async host function was reached from a call that cannot be suspended.
    CannotSuspend,
    /// A component instance called out while it must not: in `realloc` or `post-return`.
    CannotLeave,
    /// No handle has this index.
    UnknownHandle,
    /// The handle is of another resource type; both are defined by guests.
    OtherGuestResource,
    /// The handle is one of a host's resource.
    HostNotGuestResource,
    /// The handle is one of a guest's resource.
    GuestNotHostResource,
    /// The handle is of another resource type; both are defined by the host.
    OtherHostResource,
    /// A borrowed handle where an owned one is given away.
    NotOwned,
    /// A handle is given away or dropped during a call that it is lent to.
    LentHandle,
    /// A function returned without having dropped what it borrowed.
    BorrowsRemain,
    /// Handle tables have no room left.
    HandleTableFull,
    /// A pointer of the canonical ABI is no multiple of its alignment.
    UnalignedPointer,
    /// Parameters or results in memory are beyond its length.
    PointerOutOfBounds,
    /// The number of a case that a variant does not have.
    InvalidDiscriminant,
    /// A number that is no Unicode scalar value.
    InvalidChar,
    /// A string is beyond the memory's length.
    StringOutOfBounds,
    /// A list is beyond the memory's length.
    ListOutOfBounds,
    /// A string of 2^28 bytes or more.
    StringTooLong,
    /// A list of 2^28 bytes or more.
    ListTooLong,
    /// A string that is not UTF-8.
    InvalidUtf8,
    /// A string that ends in the middle of a character.
    IncompleteUtf8,
    /// A string with half of a surrogate pair.
    InvalidUtf16,
    /// What the host's `realloc` returned is beyond the memory's length.
    ReallocOutOfBounds,
    /// What the host's `realloc` returned is no multiple of the alignment that was asked for.
    ReallocUnaligned,
    /// A string that the host was given is beyond the memory's length.
    HostStringOutOfBounds,
    /// An exception that no code between the throw and the host, or the next component, catches.
    UncaughtException,
    /// `throw_ref` of null.
    NullExceptionReference,
    /// The guest holds references to as many exceptions as its limits allow.
    ExceptionsExhausted,
}

/// What the kinds carry.
#[derive(Debug)]
pub(crate) enum Detail {
    Trap { trap: Trap, about: Option<u32>, backtrace: Vec<Frame>, truncated: bool },
    Message(String),
    Source(Box<dyn StdError + Send + Sync>),
    Context { context: String, source: Error },
}

/// In what state a guest is that was being called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As the kind says: what the caller did wrong was found out before anything happened.
    AsKind,
    /// It was left in the middle of what it did.
    Abandoned,
    /// As it was: it could not be entered.
    Untouched,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    detail: Detail,
    guest: State,
}

/// Anything that can go wrong, in one word.
///
/// It prints as a sentence; a trap's backtrace follows with the alternate form, `{:#}`.
pub struct Error(Box<Inner>);

const _: () = assert!(size_of::<Error>() == size_of::<usize>());

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: Detail) -> Error {
        Error(Box::new(Inner { kind, detail, guest: State::AsKind }))
    }

    pub(crate) fn message(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, Detail::Message(message.into()))
    }

    pub(crate) fn source_of(kind: ErrorKind, source: impl StdError + Send + Sync + 'static) -> Error {
        Error::new(kind, Detail::Source(Box::new(source)))
    }

    /// An error of a host function. The guest is left at once, and the call that entered it fails with
    /// this error, which [`downcast_ref`](Error::downcast_ref) gives back.
    pub fn host(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let error = error.into();
        // An error of ours that passed through host code keeps its kind.
        match error.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(error) => Error::new(ErrorKind::Host, Detail::Source(error)),
        }
    }

    /// Our error for a call that did not return.
    #[cold]
    #[inline(never)]
    pub(crate) fn from_call(error: CallError) -> Error {
        match error {
            CallError::Trap(trap) => Error::from_trap(trap.code, trap.detail, &trap.backtrace),
            CallError::Host { error, .. } => Error::host(error).abandoning(),
            CallError::Cancelled => Error::from_code(TrapCode::Cancelled),
            CallError::Withdrawn => Error::source_of(ErrorKind::Withdrawn, error),
            CallError::Thread(_) => Error::source_of(ErrorKind::Host, error).in_state(State::Untouched),
            CallError::Stranded(_) => Error::source_of(ErrorKind::Host, error).abandoning(),
            // Only an instance that was never entered has no stack.
            CallError::Stack(StackError::Exhausted { .. }) => {
                Error::source_of(ErrorKind::Exhausted, error).in_state(State::Untouched)
            }
            CallError::Stack(_) => Error::source_of(ErrorKind::Host, error).in_state(State::Untouched),
            _ => Error::source_of(ErrorKind::Usage, error),
        }
    }

    /// Our error for an initialization that failed.
    pub(crate) fn from_schedule(error: ScheduleError) -> Error {
        match error {
            ScheduleError::Step(error) => Error::from_step(error),
            ScheduleError::Call(error) => Error::from_call(error),
            ScheduleError::Order(_) => Error::source_of(ErrorKind::Usage, error),
        }
    }

    fn from_step(error: StepError) -> Error {
        match error.cause {
            StepFailure::Trap(code) => Error::from_code(code),
            StepFailure::Start(error) => Error::from_call(error),
            StepFailure::Memory { .. } | StepFailure::Table { .. } => Error::source_of(ErrorKind::Link, error),
            StepFailure::Pages(_) => Error::source_of(ErrorKind::Host, error),
        }
    }

    /// Our error for a trap that is not in guest code.
    pub(crate) fn from_code(code: TrapCode) -> Error {
        Error::from_trap(code, None, &Backtrace::default())
    }

    fn from_trap(code: TrapCode, about: Option<u32>, backtrace: &Backtrace) -> Error {
        let Some(trap) = Trap::from_code(code) else {
            return Error::message(ErrorKind::Bug, format!("a trap without a name: {code}"));
        };
        let truncated = backtrace.is_truncated();
        let backtrace = backtrace.frames().iter().map(Frame::new).collect();
        Error::new(ErrorKind::Trap, Detail::Trap { trap, about, backtrace, truncated })
    }

    /// The same error, which left a guest in the middle of what it did.
    #[must_use]
    pub(crate) fn abandoning(self) -> Error {
        self.in_state(State::Abandoned)
    }

    fn in_state(mut self, guest: State) -> Error {
        self.0.guest = guest;
        self
    }

    /// Whether a guest that was being called cannot be called again: all but what went wrong before it was entered.
    pub(crate) fn is_fatal(&self) -> bool {
        match self.0.guest {
            State::AsKind => self.kind() != ErrorKind::Usage,
            State::Abandoned => true,
            State::Untouched => false,
        }
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The trap, if this is one.
    pub fn trap(&self) -> Option<Trap> {
        match &self.0.detail {
            Detail::Trap { trap, .. } => Some(*trap),
            Detail::Context { source, .. } => source.trap(),
            _ => None,
        }
    }

    /// The guest's stack where it trapped, innermost frame first; empty for other kinds.
    pub fn backtrace(&self) -> &[Frame] {
        match &self.0.detail {
            Detail::Trap { backtrace, .. } => backtrace,
            Detail::Context { source, .. } => source.backtrace(),
            _ => &[],
        }
    }

    /// Whether the guest's stack had more frames, further out, than [`backtrace`](Error::backtrace) has.
    pub fn backtrace_is_truncated(&self) -> bool {
        match &self.0.detail {
            Detail::Trap { truncated, .. } => *truncated,
            Detail::Context { source, .. } => source.backtrace_is_truncated(),
            _ => false,
        }
    }

    /// The host function's error, if it is an `E`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match &self.0.detail {
            Detail::Source(source) => source.downcast_ref::<E>(),
            Detail::Context { source, .. } => source.downcast_ref::<E>(),
            _ => None,
        }
    }

    /// What the operating system said, if it is its error.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        let mut cause: Option<&(dyn StdError + 'static)> = match &self.0.detail {
            Detail::Source(source) => Some(&**source),
            Detail::Context { source, .. } => return source.io_kind(),
            _ => None,
        };
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<std::io::Error>() {
                return Some(error.kind());
            }
            cause = error.source();
        }
        None
    }

    /// The same error, with a sentence in front that says what was being done.
    #[must_use]
    pub fn context(self, context: impl Into<String>) -> Error {
        let (kind, guest) = (self.kind(), self.0.guest);
        Error(Box::new(Inner { kind, detail: Detail::Context { context: context.into(), source: self }, guest }))
    }
}

/// What caused an error, outermost first, a sentence each. A cause that the message above it ends with is left out: whoever
/// prints that one alone is told, too.
fn causes(error: &dyn StdError) -> Vec<String> {
    let (mut above, mut told, mut cause) = (error.to_string(), Vec::new(), error.source());
    while let Some(error) = cause {
        let text = error.to_string();
        if !above.ends_with(&text) {
            told.push(text.clone());
        }
        (above, cause) = (text, error.source());
    }
    told
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.detail {
            Detail::Trap { trap, about, backtrace, truncated } => {
                write!(f, "wasm trap: {}", trap.code().describe(*about))?;
                if f.alternate() { write_backtrace(f, backtrace, *truncated) } else { Ok(()) }
            }
            Detail::Message(message) => f.write_str(message),
            Detail::Source(source) => {
                source.fmt(f)?;
                let causes = if f.alternate() { causes(&**source) } else { Vec::new() };
                causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
            }
            Detail::Context { context, source } => {
                write!(f, "{context}: ")?;
                source.fmt(f)
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.detail {
            Detail::Source(source) => source.source(),
            Detail::Context { source, .. } => source.source(),
            _ => None,
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().message())
    }
}

/// The traps on both sides of the border.
macro_rules! traps {
    ($($name:ident),* $(,)?) => {
        impl Trap {
            pub(crate) fn code(self) -> TrapCode {
                match self {
                    $(Trap::$name => TrapCode::$name,)*
                }
            }

            pub(crate) fn from_code(code: TrapCode) -> Option<Trap> {
                match code {
                    $(TrapCode::$name => Some(Trap::$name),)*
                    _ => None,
                }
            }
        }
    };
}

traps!(
    Unreachable,
    MemoryOutOfBounds,
    TableOutOfBounds,
    UndefinedElement,
    UninitializedElement,
    IndirectCallTypeMismatch,
    IntegerOverflow,
    IntegerDivideByZero,
    InvalidConversionToInteger,
    StackOverflow,
    NullReference,
    NullFunctionReference,
    DeadlineExceeded,
    OutOfFuel,
    Cancelled,
    CannotSuspend,
    CannotLeave,
    UnknownHandle,
    OtherGuestResource,
    HostNotGuestResource,
    GuestNotHostResource,
    OtherHostResource,
    NotOwned,
    LentHandle,
    BorrowsRemain,
    HandleTableFull,
    UnalignedPointer,
    PointerOutOfBounds,
    InvalidDiscriminant,
    InvalidChar,
    StringOutOfBounds,
    ListOutOfBounds,
    StringTooLong,
    ListTooLong,
    InvalidUtf8,
    IncompleteUtf8,
    InvalidUtf16,
    ReallocOutOfBounds,
    ReallocUnaligned,
    HostStringOutOfBounds,
    UncaughtException,
    NullExceptionReference,
    ExceptionsExhausted,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct DiskFull;

    #[test]
    fn a_host_error_comes_back_as_itself() {
        let error = Error::host(DiskFull).context("writing the log");
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(error.downcast_ref::<DiskFull>().is_some());
        assert_eq!(error.to_string(), "writing the log: the disk is full");
    }

    #[test]
    fn our_own_error_keeps_its_kind_on_its_way_through_host_code() {
        let ours = Error::message(ErrorKind::Link, "unknown import");
        let boxed: Box<dyn StdError + Send + Sync> = Box::new(ours);
        assert_eq!(Error::host(boxed).kind(), ErrorKind::Link);
    }

    #[test]
    fn what_leaves_a_guest_in_the_middle_is_fatal_whatever_its_kind_is() {
        let usage = || Error::message(ErrorKind::Usage, "the host returned no value");
        assert!(!usage().is_fatal() && !usage().context("calling").is_fatal());
        let frames = Backtrace::default();
        let error = Error::from_call(CallError::Host { error: usage().into(), frames });
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.is_fatal() && error.context("calling").is_fatal());
    }

    #[test]
    fn what_happens_before_a_guest_is_entered_is_not_fatal_to_it_but_to_one_that_waits_for_it() {
        let stack = || Error::from_call(CallError::Stack(StackError::Exhausted { limit: 1 }));
        let thread = Error::from_call(CallError::Thread(std::io::ErrorKind::OutOfMemory.into()));
        assert!(!stack().is_fatal() && !stack().context("calling").is_fatal() && !thread.is_fatal());
        let caller = Error::from_call(CallError::Host { error: stack().into(), frames: Backtrace::default() });
        assert_eq!(caller.kind(), ErrorKind::Exhausted);
        assert!(caller.is_fatal());
        assert!(Error::from_call(CallError::Stranded(std::io::ErrorKind::OutOfMemory.into())).is_fatal());
    }

    #[test]
    fn the_alternate_form_has_the_backtrace() {
        let frame = Frame { instance: Some("m".into()), function: 3, name: None, offset: Some(0x2a) };
        let trap = |truncated| {
            let (trap, backtrace) = (Trap::Unreachable, vec![frame.clone()]);
            Error::new(ErrorKind::Trap, Detail::Trap { trap, about: None, backtrace, truncated })
        };
        let text = "wasm trap: unreachable\nwasm backtrace:\n    0:     0x2a: m!<wasm function 3>";
        assert_eq!(format!("{}", trap(false)), "wasm trap: unreachable");
        assert_eq!(format!("{:#}", trap(false)), text);
        assert_eq!(format!("{:#}", trap(true)), format!("{text}\n       ... more frames further out"));
        assert!(trap(true).context("calling").backtrace_is_truncated());
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write: {0}")]
    struct Told(#[source] DiskFull);

    #[test]
    fn the_alternate_form_tells_each_cause_once() {
        assert_eq!(format!("{:#}", Error::host(Told(DiskFull))), "cannot write: the disk is full");
        let untold = Error::host(std::io::Error::other(Told(DiskFull)));
        assert_eq!(format!("{untold:#}"), "cannot write: the disk is full");
    }
}
