//! What the host lends to a guest, as values with permissions.
//!
//! Nothing here knows a guest's memory or the numbers of any version of WASI. Two invariants hold everywhere:
//!
//! - **No path leaves its directory.** A [`Dir`] is the only way to a file, and every path given to one is resolved
//!   beneath it by the kernel (or, where the kernel cannot, component by component), symbolic links included.
//! - **No call blocks for long.** A stream that has nothing now says so with [`Error::WouldBlock`], and whoever called
//!   waits in slices ([`wait`]), so that a deadline can stop the waiting.

mod clock;
mod descriptor;
mod dir;
mod entries;
mod entropy;
mod error;
mod file;
mod memory_stream;
mod network;
mod os_stream;
mod perms;
mod stat;
mod stream;
mod wait;

pub use clock::{Clock, ClockId, SystemClock, VirtualClock};
pub use descriptor::Descriptor;
pub use dir::{Access, Create, Dir, Follow, Kind, Open};
pub use entries::Entry;
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use error::{Error, Result};
pub use file::{Advice, Durability, File, Position};
pub use memory_stream::{MemoryInput, MemoryOutput};
pub use network::{AddressRule, AddressRuleError, Network, SocketUse};
pub use os_stream::{OsInput, OsOutput};
pub use perms::{DirPerms, FilePerms};
pub use stat::{FileType, SetTime, Stat};
pub use stream::{InputStream, NullStream, OutputStream, ReadStream, WriteStream};
pub use wait::{Interest, Ready, Watch, wait};
