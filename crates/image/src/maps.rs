//! The functions of an image, as the compiler lists them.

use crate::items::InstanceId;
use crate::types::TypeId;

/// Stands for the wasm offset of code that belongs to no wasm instruction.
pub const NO_WASM_OFFSET: u32 = u32::MAX;

/// A guest function's number in its image, over all core instances. Imported functions have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// A function defined by some core instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRecord {
    /// First byte of its code.
    pub start: u32,
    /// Bytes of its code.
    pub length: u32,
    /// The core instance it belongs to.
    pub instance: InstanceId,
    /// Its index in that instance's module, imports counted.
    pub index: u32,
    /// Its type; what a funcref from outside is checked against.
    pub ty: TypeId,
    /// Its name, from the name section.
    pub name: Option<Box<str>>,
}
