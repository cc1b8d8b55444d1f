//! What opening an artifact costs, for little code and for much.
//!
//! ```text
//! cargo run --release -p hatchery-image --example open_artifact [-- DIRECTORY | FILE]
//! ```
//!
//! With a file, opens that, once: what the first opening of a process costs.
//!
//! The code is made up: functions of 500 bytes, a trap and eight addresses each, of which tables grow as they
//! do with real code. With a directory, the files are left there for `objdump`, `gdb` and `perf`.

#![expect(unsafe_code, reason = "opens artifacts, which must be trusted, and calls one")]
#![expect(clippy::print_stdout, reason = "a program that reports")]

use hatchery_image::artifact::{ArtifactError, Durability, FileTrust, Image, ImageParts, OpenOptions};
use hatchery_image::{
    CoreInstance, Export, ExportItem, FuncExport, FuncType, FunctionRecord, HostImport, InstanceId, LayoutNeeds,
    LayoutPlan, MemoryNeed, TrapCode, Tunables, TypeId, TypeTable, ValType, WASM_PAGE,
};
use std::path::Path;
use std::time::{Duration, Instant};

const FUNCTION: u32 = 512;

/// A function that counts down from a billion, then returns 7.
const COUNT: [u8; 16] = [0xb9, 0x00, 0xca, 0x9a, 0x3b, 0xff, 0xc9, 0x75, 0xfc, 0xb8, 7, 0, 0, 0, 0xc3, 0x90];

fn synthetic(code_bytes: u32) -> ImageParts {
    let tunables = Tunables::default();
    let memory = MemoryNeed { memory64: false, minimum: 64 * WASM_PAGE, maximum: None, exact: false };
    let needs = LayoutNeeds { memories: vec![memory], ..LayoutNeeds::default() };
    let layout = LayoutPlan::new(&needs, &tunables).expect("layout");
    let mut parts = ImageParts::new(tunables, layout);
    parts.memories = vec![hatchery_image::DefinedMemory { memory64: false, minimum: 64 * WASM_PAGE, maximum: None }];
    parts.code = (0..code_bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let ty = |index: u32| TypeId::from_index(index % 60);
    parts.types = TypeTable::new((0..60).map(|i| FuncType::new(vec![ValType::I32; i], [ValType::I32])).collect());
    parts.entry_trampolines = vec![Some(0); 60];
    for index in 0..code_bytes / FUNCTION {
        let start = index * FUNCTION;
        parts.code[start as usize..][..COUNT.len()].copy_from_slice(&COUNT);
        let name = Some(format!("synthetic::module::function_{index}").into());
        parts.functions.push(FunctionRecord {
            start,
            length: 500,
            instance: InstanceId(0),
            index,
            ty: ty(index),
            name,
        });
        parts.traps.push((start + 40, TrapCode::MemoryOutOfBounds));
        parts.addresses.extend((0..8).map(|i| (start + 60 * i, index * 100 + i)));
    }
    let export = |i: u32| Export {
        name: format!("export_{i}").into(),
        item: ExportItem::Func(FuncExport { ty: ty(i), code_offset: i * FUNCTION }),
    };
    parts.instances = vec![CoreInstance { exports: (0..50).map(export).collect(), ..CoreInstance::default() }];
    parts.imports = (0..40)
        .map(|i| HostImport {
            instance: InstanceId(0),
            module: "wasi_snapshot_preview1".into(),
            name: format!("import_{i}").into(),
            ty: ty(i),
            thunk: i * FUNCTION,
            spill_shim: None,
        })
        .collect();
    let memory = parts.layout.memory(0).start;
    parts.pages.write(memory + 1024, &vec![1; 256 << 10]);
    parts
}

fn open(path: &Path, trust: FileTrust) -> Result<Image, ArtifactError> {
    let options = OpenOptions { trust, ..OpenOptions::default() };
    // SAFETY: the file was written just now, by this process, to a directory of its own.
    unsafe { Image::open(path, &options) }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn time<T>(mut body: impl FnMut() -> T) -> f64 {
    median(
        (0..201)
            .map(|_| {
                let start = Instant::now();
                let result = body();
                let elapsed = start.elapsed();
                drop(result);
                elapsed
            })
            .collect(),
    )
}

fn open_once(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let view = open(path, FileTrust::Immutable)?;
    println!("opened in {:.1?}, {} functions", start.elapsed(), view.functions().len());
    // SAFETY: every function of these files is `COUNT`, which keeps to the convention.
    let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(view.text().base().add(FUNCTION as usize)) };
    println!("function_1 at {:p} returned {}", view.text().base().wrapping_add(FUNCTION as usize), function());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scratch = std::env::temp_dir().join(format!("hatchery-open-{}", std::process::id()));
    let keep = std::env::args_os().nth(1).map(std::path::PathBuf::from);
    if let Some(path) = keep.as_ref().filter(|path| path.is_file()) {
        return open_once(path);
    }
    let directory = keep.clone().unwrap_or(scratch);
    std::fs::create_dir_all(&directory)?;
    for megabytes in [1, 50] {
        let parts = synthetic(megabytes << 20);
        let start = Instant::now();
        let image = Image::from_parts(&parts)?;
        let made = start.elapsed();
        let path = directory.join(format!("synthetic-{megabytes}.hatch"));
        image.save(&path, Durability::Cached)?;
        let start = Instant::now();
        let view = open(&path, FileTrust::Immutable)?;
        let first = start.elapsed().as_secs_f64() * 1e6;
        let start = Instant::now();
        view.verify()?;
        let verified = start.elapsed();
        let (immutable, copied) = (time(|| open(&path, FileTrust::Immutable)), time(|| open(&path, FileTrust::Copy)));
        let found = time(|| view.functions().find(view.text().bytes().len() as u32 / 2).map(|f| f.start));
        println!("{megabytes:>3} MB of code, {} bytes of file, made in memory in {made:.1?}", image.file_bytes());
        println!(
            "    open: first {first:.1} µs, median {immutable:.1} µs, {copied:.1} µs with a copy of 260 KiB of pages"
        );
        println!("    verify {verified:.1?}, a lookup {found:.2} µs");
    }
    if keep.is_none() {
        std::fs::remove_dir_all(directory)?;
    }
    Ok(())
}
