//! What a compiler hands over to make an image of.

use super::cpu::IsaFlags;
use crate::catch::CatchSite;
use crate::items::{CoreInstance, DataSegment, DefinedMemory, DefinedTable, ElemSegment, Global, HostImport};
use crate::layout::LayoutPlan;
use crate::learned::Learned;
use crate::maps::FunctionRecord;
use crate::pages::PagesBuilder;
use crate::plan::Plan;
use crate::trap::TrapCode;
use crate::tunables::Tunables;
use crate::types::TypeTable;

/// An image in pieces that own their contents, before it is encoded.
#[derive(Debug)]
pub struct ImageParts {
    /// Who compiled it: name and version of compiler and code generator, at most 64 bytes.
    pub producer: String,
    /// A hash of everything that was compiled.
    pub source: [u8; 32],
    /// Extensions of the instruction set that the code may use.
    pub isa: IsaFlags,
    /// The choices it was compiled under.
    pub tunables: Tunables,
    /// Function types.
    pub types: TypeTable,
    /// Machine code, position independent.
    pub code: Vec<u8>,
    /// Names of code that is neither a function, nor the thunk, shim or trampoline of something here.
    pub symbols: Vec<CodeSymbol>,
    /// Offset of each type's entry trampoline, by type index.
    pub entry_trampolines: Vec<Option<u32>>,
    /// Instructions that can trap, by ascending offset.
    pub traps: Vec<(u32, TrapCode)>,
    /// From each offset on, the wasm offset that code belongs to; ascending. See
    /// [`NO_WASM_OFFSET`](crate::NO_WASM_OFFSET).
    pub addresses: Vec<(u32, u32)>,
    /// Calls that can end with an exception, by ascending offset.
    pub catches: Vec<CatchSite>,
    /// Functions in the order of their code.
    pub functions: Vec<FunctionRecord>,
    /// Where everything is in a slot.
    pub layout: LayoutPlan,
    /// Initial contents.
    pub pages: PagesBuilder,
    /// Steps to run, and how far the pages are.
    pub plan: Plan,
    /// Core instances in instantiation order.
    pub instances: Vec<CoreInstance>,
    /// Memories; places in the layout.
    pub memories: Vec<DefinedMemory>,
    /// Tables; places in the layout.
    pub tables: Vec<DefinedTable>,
    /// Globals; offsets as in the layout.
    pub globals: Vec<Global>,
    /// Bytes of all data segments that can still be read.
    pub data: Vec<u8>,
    /// Data segments.
    pub data_segments: Vec<DataSegment>,
    /// Element segments.
    pub elem_segments: Vec<ElemSegment>,
    /// Functions the host must provide.
    pub imports: Vec<HostImport>,
    /// What its instances were found to do with their slots.
    pub learned: Learned,
    /// What whoever made it wants to find again. It means nothing to the image.
    pub extension: Vec<u8>,
}

impl ImageParts {
    /// Nothing but a layout and the choices it was made under.
    pub fn new(tunables: Tunables, layout: LayoutPlan) -> ImageParts {
        ImageParts {
            producer: String::new(),
            source: [0; 32],
            isa: IsaFlags::empty(),
            tunables,
            types: TypeTable::default(),
            code: Vec::new(),
            symbols: Vec::new(),
            entry_trampolines: Vec::new(),
            traps: Vec::new(),
            addresses: Vec::new(),
            catches: Vec::new(),
            functions: Vec::new(),
            layout,
            pages: PagesBuilder::new(),
            plan: Plan::default(),
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            data: Vec::new(),
            data_segments: Vec::new(),
            elem_segments: Vec::new(),
            imports: Vec::new(),
            learned: Learned::default(),
            extension: Vec::new(),
        }
    }
}

/// A name for some code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSymbol {
    /// First byte in the text.
    pub offset: u32,
    /// What tools call it.
    pub name: String,
}
