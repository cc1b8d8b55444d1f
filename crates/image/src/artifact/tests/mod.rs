//! Tests of the format as a whole, on one small image that has something of everything.

#![expect(unsafe_code, reason = "opens artifacts, which must be trusted")]

mod damage;
mod files;
mod round_trip;

use super::{ArtifactError, CodeSymbol, Image, ImageParts, IsaFlags, OpenOptions, encode};
use crate::catch::{CatchSite, Handler, HandlerKind};
use crate::items::{
    CoreInstance, DataSegment, DataSegmentId, DefinedMemory, DefinedTable, ElemSegment, ElemSegmentId, Export,
    ExportItem, FuncExport, Global, GlobalId, HostImport, InstanceId, MemoryId, TableId, TagId,
};
use crate::layout::{GlobalNeed, LayoutNeeds, LayoutPlan, MemoryNeed, TableNeed, WASM_PAGE};
use crate::learned::Learned;
use crate::maps::{FunctionId, FunctionRecord, NO_WASM_OFFSET};
use crate::plan::{InitStep, Plan, StepKind};
use crate::trap::TrapCode;
use crate::tunables::{CpuTarget, Tunables};
use crate::types::{FuncType, HeapType, RefType, TypeId, TypeTable, ValType};
use std::fs::File;
use std::os::unix::fs::FileExt;

fn layout(tunables: &Tunables) -> LayoutPlan {
    let memory = |memory64| MemoryNeed { memory64, minimum: 2 * WASM_PAGE, maximum: Some(9 * WASM_PAGE), exact: false };
    let table = TableNeed { minimum: 10, maximum: None, growable: true };
    let needs = LayoutNeeds {
        memories: vec![memory(false), memory(true)],
        tables: vec![table, TableNeed { growable: false, ..table }],
        globals: vec![GlobalNeed::Word, GlobalNeed::Vector, GlobalNeed::Word],
        data_segments: 2,
        elem_segments: 1,
    };
    LayoutPlan::new(&needs, tunables).expect("layout")
}

fn types() -> TypeTable {
    let func = RefType { nullable: false, heap: HeapType::Concrete(TypeId::from_index(0)) };
    let heaps =
        [HeapType::Extern, HeapType::NoFunc, HeapType::NoExtern, HeapType::Func, HeapType::Exn, HeapType::NoExn];
    let refs = heaps.map(|heap| ValType::Ref(RefType { nullable: true, heap }));
    TypeTable::new(vec![
        FuncType::new([], []),
        FuncType::new([ValType::I32, ValType::I64, ValType::F32, ValType::F64], [ValType::V128, ValType::Ref(func)]),
        FuncType::new(refs, [ValType::I32]),
    ])
}

/// Functions at 0 (`ret`) and 64 (`mov eax, 7; ret`), thunks behind them.
fn code() -> Vec<u8> {
    let mut code = vec![0xcc; 400];
    code[0] = 0xc3;
    code[64..70].copy_from_slice(&[0xb8, 7, 0, 0, 0, 0xc3]);
    code
}

fn instances() -> Vec<CoreInstance> {
    let export = |name: &str, item| Export { name: name.into(), item };
    let func = FuncExport { ty: TypeId::from_index(1), code_offset: 64 };
    vec![
        CoreInstance {
            name: Some("first".into()),
            exports: vec![
                export("run", ExportItem::Func(func)),
                export("memory", ExportItem::Memory(MemoryId(0))),
                export("", ExportItem::Global(GlobalId(2))),
                export("größe", ExportItem::Table(TableId(1))),
            ],
            steps: 0..4,
            main_memory: Some(MemoryId(0)),
        },
        CoreInstance { steps: 4..6, ..CoreInstance::default() },
    ]
}

fn plan() -> Plan {
    let [first, second] = [InstanceId(0), InstanceId(1)];
    let step = |instance, kind| InitStep { instance, kind };
    let (segment, table) = (ElemSegmentId(0), TableId(1));
    let steps = vec![
        step(first, StepKind::CheckMemory { memory: MemoryId(1), minimum: 5 }),
        step(first, StepKind::CheckTable { table, minimum: 6 }),
        step(first, StepKind::CoreElem { segment, table, offset: 3 }),
        step(first, StepKind::CoreData { segment: DataSegmentId(1), memory: MemoryId(1), offset: 1 << 40 }),
        step(second, StepKind::DropElem { segment }),
        step(second, StepKind::CoreStart { code_offset: 64, function: Some(FunctionId(1)) }),
    ];
    Plan { steps, cursor: 2 }
}

/// An image that uses every table of the format.
pub(super) fn sample() -> ImageParts {
    let tunables = Tunables { cpu: CpuTarget::Named("x86-64-v3".into()), ..Tunables::default() };
    let layout = layout(&tunables);
    let ty = TypeId::from_index;
    let function = |start, length, instance, index, name: Option<&str>| FunctionRecord {
        start,
        length,
        instance: InstanceId(instance),
        index,
        ty: ty(index % 3),
        name: name.map(Into::into),
    };
    let segment = |start, length, dropped| DataSegment { start, length, dropped_offset: layout.data_dropped + dropped };
    let memory = |memory64| DefinedMemory { memory64, minimum: 2 * WASM_PAGE, maximum: Some(9 * WASM_PAGE) };
    let table = |element, growable| DefinedTable { table64: false, element, minimum: 10, maximum: None, growable };
    let global = |ty, mutable, at: usize| Global { ty, mutable, offset: layout.globals[at] };
    let import = |name: &str, thunk, spill_shim| HostImport {
        instance: InstanceId(1),
        module: "host".into(),
        name: name.into(),
        ty: ty(1),
        thunk,
        spill_shim,
    };
    let mut parts = ImageParts {
        producer: "sample 1".into(),
        source: [0xab; 32],
        isa: IsaFlags::SSE3 | IsaFlags::SSSE3,
        types: types(),
        code: code(),
        symbols: vec![CodeSymbol { offset: 320, name: "builtin:raise".into() }],
        entry_trampolines: vec![Some(192), None, Some(208)],
        traps: vec![(64, TrapCode::Unreachable), (69, TrapCode::StackOverflow)],
        addresses: vec![(0, 33), (64, 40), (70, NO_WASM_OFFSET)],
        catches: vec![
            CatchSite {
                offset: 66,
                frame: 48,
                handlers: Box::new([
                    Handler { tag: Some(TagId(3)), landing: 69, kind: HandlerKind::Values },
                    Handler { tag: None, landing: 68, kind: HandlerKind::Reference },
                ]),
            },
            CatchSite {
                offset: 67,
                frame: 0,
                handlers: Box::new([Handler { tag: None, landing: 0, kind: HandlerKind::Barrier }]),
            },
        ],
        functions: vec![function(0, 1, 0, 7, Some("nothing")), function(64, 6, 1, 8, None)],
        plan: plan(),
        instances: instances(),
        memories: vec![memory(false), memory(true)],
        tables: vec![table(RefType::FUNCREF, true), table(RefType::EXTERNREF, false)],
        globals: vec![
            global(ValType::I64, true, 0),
            global(ValType::V128, false, 1),
            global(ValType::Ref(RefType::FUNCREF), true, 2),
        ],
        data: b"some data, and more".to_vec(),
        data_segments: vec![segment(0, 9, 0), segment(11, 8, 4)],
        elem_segments: vec![ElemSegment {
            elements: Box::new([0, 64 << 32 | 2, 2]),
            dropped_offset: layout.elem_dropped,
        }],
        imports: vec![import("f", 128, Some(256)), import("g", 144, None)],
        learned: Learned {
            written: vec![layout.state(), layout.memory(0).start..layout.memory(0).start + 4096],
            grown: std::iter::once(layout.memory(0).start + 2 * WASM_PAGE..layout.memory(0).start + 3 * WASM_PAGE)
                .collect(),
        },
        extension: b"what a host knows".to_vec(),
        ..ImageParts::new(tunables, layout.clone())
    };
    parts.pages.write(layout.vmctx + 8, &[1, 2, 3]);
    parts.pages.write(layout.memory(0).start + 5000, b"hello");
    parts
}

/// A file in memory with these bytes.
fn file_of(bytes: &[u8]) -> File {
    let fd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("memfd");
    let file = File::from(fd);
    file.write_all_at(bytes, 0).expect("write");
    file
}

fn open(bytes: &[u8]) -> Result<Image, ArtifactError> {
    // SAFETY: the file is this test's alone, and no test runs code of a view that it damaged.
    unsafe { Image::open_file(file_of(bytes), &OpenOptions::default()) }
}

fn bytes() -> Vec<u8> {
    encode(&sample()).expect("encodes").to_vec().expect("fits")
}

/// Asks everything that can be asked, with arguments in and out of range.
fn ask_everything(view: &Image) -> usize {
    let offsets = (0..500).chain([u32::MAX - 1, u32::MAX]);
    let mut answers =
        view.types().iter().len() + view.plan().remaining().len() + view.data().len() + view.extension().len();
    answers += view.learned().written.len();
    for offset in offsets {
        answers += usize::from(view.traps().find(offset).is_some());
        answers += usize::from(view.addresses().find(offset).is_some());
        answers += usize::from(view.functions().find(offset).is_some());
        answers += usize::from(view.catches().find(offset, TagId(offset)).found.is_some());
        answers += usize::from(view.function(FunctionId(offset)).is_some());
        answers += usize::from(view.entry_trampoline(TypeId::from_index(offset.min(1 << 20))).is_some());
        answers += usize::from(view.export(InstanceId(offset), "run").is_some());
        answers += usize::from(view.imports().get(offset as usize).is_some());
    }
    answers += view.traps().iter().count() + view.addresses().iter().count() + view.functions().iter().count();
    answers += view.catches().iter().map(|site| site.handlers.len()).sum::<usize>();
    answers += view.instances().iter().map(|instance| instance.exports().iter().count()).sum::<usize>();
    answers += view.memories().iter().count() + view.tables().iter().count() + view.globals().iter().count();
    answers += view.data_segments().iter().count() + view.imports().iter().count();
    answers += view.elem_segments().iter().map(|segment| segment.elements().count()).sum::<usize>();
    let mut page = [0; 64];
    answers += usize::from(view.pages().read(view.layout().vmctx, &mut page).is_ok());
    answers += usize::from(view.to_parts().is_ok());
    answers
}
