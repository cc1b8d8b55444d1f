//! The format's tripwire: the bytes of one small artifact, as checked in for each version.
//!
//! When the bytes change, the version must: raise `VERSION`, say in the RFC what changed, and run this test
//! with `HATCHERY_BLESS=1`, which writes the file of a version that has none. It overwrites nothing.

#![expect(unsafe_code, reason = "opens artifacts, which must be trusted")]

use hatchery_image::artifact::{ArtifactError, CodeSymbol, Image, ImageParts, IsaFlags, OpenOptions, VERSION, encode};
use hatchery_image::{
    CatchSite, CoreInstance, DataSegment, DataSegmentId, DefinedMemory, DefinedTable, ElemSegment, Export, ExportItem,
    FuncExport, FuncType, FunctionRecord, Global, GlobalNeed, Handler, HandlerKind, HostImport, InitStep, InstanceId,
    LayoutNeeds, LayoutPlan, Learned, MemoryId, MemoryNeed, RefType, StepKind, TableNeed, TagId, TrapCode, Tunables,
    TypeId, TypeTable, ValType, WASM_PAGE,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}.hatch"))
}

fn layout(tunables: &Tunables) -> LayoutPlan {
    let needs = LayoutNeeds {
        memories: vec![MemoryNeed { memory64: false, minimum: WASM_PAGE, maximum: None, exact: false }],
        tables: vec![TableNeed { minimum: 2, maximum: Some(2), growable: false }],
        globals: vec![GlobalNeed::Word],
        data_segments: 1,
        elem_segments: 1,
    };
    LayoutPlan::new(&needs, tunables).expect("layout")
}

/// The artifact of this version, which must be checked in; written first when that is asked for.
fn checked_in() -> PathBuf {
    static BLESSED: Once = Once::new();
    let path = golden(VERSION);
    BLESSED.call_once(|| {
        if std::env::var_os("HATCHERY_BLESS").is_some() && !path.exists() {
            fs::write(&path, bytes()).expect("blessed");
        }
    });
    path
}

fn bytes() -> Vec<u8> {
    encode(&parts()).expect("encodes").to_vec().expect("fits")
}

/// One of everything. Its numbers are all different where they can be.
fn parts() -> ImageParts {
    let tunables = Tunables::default();
    let layout = layout(&tunables);
    let (ty, first) = (TypeId::from_index, InstanceId(0));
    let function =
        FunctionRecord { start: 0, length: 6, instance: first, index: 1, ty: ty(1), name: Some("seven".into()) };
    let import = HostImport {
        instance: first,
        module: "env".into(),
        name: "log".into(),
        ty: ty(0),
        thunk: 64,
        spill_shim: Some(128),
    };
    let seven = ExportItem::Func(FuncExport { ty: ty(1), code_offset: 0 });
    let export = |name: &str, item| Export { name: name.into(), item };
    let data = StepKind::CoreData { segment: DataSegmentId(0), memory: MemoryId(0), offset: 1024 };
    let start = StepKind::CoreStart { code_offset: 64, function: None };
    let mut parts = ImageParts {
        producer: "golden".into(),
        source: [7; 32],
        isa: IsaFlags::SSE3,
        types: TypeTable::new(vec![FuncType::new([ValType::I64], []), FuncType::new([], [ValType::I32])]),
        code: [&[0xb8, 7, 0, 0, 0, 0xc3][..], &[0xcc; 154]].concat(),
        symbols: vec![CodeSymbol { offset: 144, name: "builtin:raise".into() }],
        entry_trampolines: vec![None, Some(96)],
        traps: vec![(5, TrapCode::Unreachable)],
        addresses: vec![(0, 40), (5, 42)],
        catches: vec![CatchSite {
            offset: 3,
            frame: 24,
            handlers: Box::new([Handler { tag: Some(TagId(9)), landing: 4, kind: HandlerKind::Reference }]),
        }],
        functions: vec![function],
        instances: vec![CoreInstance {
            name: Some("main".into()),
            exports: vec![export("seven", seven), export("memory", ExportItem::Memory(MemoryId(0)))],
            steps: 0..2,
            main_memory: Some(MemoryId(0)),
        }],
        memories: vec![DefinedMemory { memory64: false, minimum: WASM_PAGE, maximum: None }],
        tables: vec![DefinedTable {
            table64: false,
            element: RefType::FUNCREF,
            minimum: 2,
            maximum: Some(2),
            growable: false,
        }],
        globals: vec![Global { ty: ValType::I64, mutable: true, offset: layout.globals[0] }],
        data: b"golden".to_vec(),
        data_segments: vec![DataSegment { start: 0, length: 6, dropped_offset: layout.data_dropped }],
        elem_segments: vec![ElemSegment { elements: Box::new([2]), dropped_offset: layout.elem_dropped }],
        imports: vec![import],
        learned: Learned { written: one(8192..12288), grown: one(12288..20480) },
        extension: b"extension".to_vec(),
        ..ImageParts::new(tunables, layout.clone())
    };
    parts.plan.steps = [data, start].map(|kind| InitStep { instance: first, kind }).into();
    parts.plan.cursor = 1;
    parts.pages.write(layout.memory(0).start + 1024, b"golden");
    parts
}

fn open(path: &Path) -> Result<Image, ArtifactError> {
    // SAFETY: the file is part of the sources, and nothing of it runs.
    unsafe { Image::open(path, &OpenOptions::default()) }
}

#[test]
fn the_bytes_change_only_with_the_version() {
    let (path, bytes) = (checked_in(), bytes());
    let found = fs::read(&path).expect("a checked-in artifact of this version");
    let same = found.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
    assert!(
        found == bytes,
        "the format has changed at byte {same:#x} of {}; raise `VERSION` and bless the new one",
        path.display()
    );
}

#[test]
fn the_checked_in_artifact_says_what_it_was_made_of() {
    let view = open(&checked_in()).expect("opens");
    view.verify().expect("sound");
    let (back, parts) = (view.to_parts().expect("reads"), parts());
    assert_eq!(format!("{:?}", back.instances), format!("{:?}", parts.instances));
    assert_eq!((back.plan, back.functions, back.imports), (parts.plan, parts.functions, parts.imports));
    assert_eq!(back.catches, parts.catches);
    assert_eq!((back.layout, back.code, back.data), (parts.layout, parts.code, parts.data));
    assert_eq!((back.extension, back.learned), (parts.extension, parts.learned));
}

#[test]
fn every_other_version_is_refused_by_name() {
    let directory = checked_in().parent().expect("a directory").to_owned();
    for entry in fs::read_dir(directory).expect("list") {
        let path = entry.expect("entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let version: u32 = name.strip_prefix('v').and_then(|number| number.parse().ok()).expect("a version");
        match open(&path) {
            Ok(_) => assert_eq!(version, VERSION),
            Err(ArtifactError::Version { found, expected }) => {
                assert!(found == version && expected == VERSION && version != VERSION);
            }
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}

fn one(range: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
    std::iter::once(range).collect()
}
