//! What a compiled component tree is: its layout in a slot, its initial pages, its code, its
//! initialization plan, and the maps that give an address a meaning.
//!
//! This crate never knows how anything runs: it calls no guest code, owns no slot and handles no
//! signal. It uses no other crate of the workspace. `hatchery-compile` fills
//! [`ImageParts`](artifact::ImageParts), which become an [`Image`]; `hatchery-vm` makes instances of it.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("Hatchery runs on x86-64 Linux; other targets need a `sys` layer that someone can test");

pub mod abi;
pub mod artifact;
mod catch;
mod items;
mod layout;
mod learned;
mod maps;
mod pages;
mod plan;
mod shown;
mod text;
mod trap;
mod tunables;
mod types;

pub use artifact::Image;
pub use catch::{CatchSite, Handler, HandlerKind};
pub use items::{
    CoreInstance, DataSegment, DataSegmentId, DefinedMemory, DefinedTable, ElemSegment, ElemSegmentId, Export,
    ExportItem, FuncExport, Global, GlobalId, HostImport, HostImportId, InstanceId, MemoryId, TableId, TagId,
};
pub use layout::{
    GlobalNeed, LayoutError, LayoutNeeds, LayoutPlan, MAX_SLOT, MAX_STATE, MemoryNeed, MemoryPlace, STATE_GUARD,
    TableNeed, TablePlace, WASM_PAGE,
};
pub use learned::Learned;
pub use maps::{FunctionId, FunctionRecord, NO_WASM_OFFSET};
pub use pages::{MAX_RUNS, PAGE, PageRun, Pages, PagesBuilder};
pub use plan::{InitStep, Plan, StepKind};
pub use shown::Shown;
pub use text::{Text, TextError};
pub use trap::{Description, TrapCode};
pub use tunables::{Bounds, CpuTarget, Determinism, Interruption, OptLevel, Tunables};
pub use types::{FuncType, HeapType, HostAbi, RefType, TypeId, TypeTable, ValType};
