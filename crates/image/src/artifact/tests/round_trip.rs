//! What is encoded is what is read, in memory and from a file.

use super::super::{FileTrust, Image, ImageParts, OpenOptions, encode};
use super::{bytes, file_of, open, sample};
use crate::items::{CoreInstance, Export, ExportItem, GlobalId, InstanceId};
use crate::learned::Learned;
use crate::trap::TrapCode;
use crate::types::TypeId;
use object::read::{Object, ObjectSection, ObjectSymbol};

/// Everything but the pages, whose order in the debug form is that of their addresses anyway.
fn shown(parts: &ImageParts) -> String {
    format!("{parts:#?}")
}

#[test]
fn everything_comes_back() {
    let parts = sample();
    let view = Image::from_parts(&parts).expect("opens");
    let mut back = view.to_parts().expect("reads");
    // Derived names come back as if they had been given.
    back.symbols.retain(|symbol| parts.symbols.contains(symbol));
    assert_eq!(shown(&back), shown(&parts));
    view.verify().expect("sound");
}

#[test]
fn what_comes_back_is_encoded_to_the_same_bytes() {
    let view = open(&bytes()).expect("opens");
    let again = encode(&view.to_parts().expect("reads")).expect("encodes").to_vec().expect("fits");
    assert!(again == bytes());
}

#[test]
fn what_was_learned_is_kept_and_replaced() {
    let image = Image::from_parts(&sample()).expect("opens");
    let learned = Learned { written: std::iter::once(8192..12288).collect(), grown: vec![] };
    let with = image.with_learned(learned.clone()).expect("of its slots");
    assert_eq!(with.learned(), learned);
    let parts = ImageParts { learned: sample().learned, ..with.to_parts().expect("reads") };
    assert_eq!(shown(&parts), shown(&image.to_parts().expect("reads")), "the rest is the same");
    let slot = image.layout().slot_bytes;
    for outside in [4096..8192, 8192..8192, slot..slot + 4096, 0..u64::MAX] {
        let error = image.with_learned(Learned { written: vec![outside.clone()], grown: vec![] }).expect_err("refused");
        assert!(error.to_string().contains("learned ranges"), "{outside:?}: {error}");
    }
}

#[test]
fn what_was_made_in_memory_cannot_be_changed() {
    let image = Image::from_parts(&sample()).expect("opens");
    let file = std::fs::File::from(image.pages().duplicate().expect("descriptor").expect("a file"));
    assert!(std::os::unix::fs::FileExt::write_all_at(&file, &[2], 0).is_err());
    assert!(file.set_len(0).is_err());
}

#[test]
fn lookups_find_what_is_there() {
    let view = open(&bytes()).expect("opens");
    assert_eq!(view.traps().find(69), Some(TrapCode::StackOverflow));
    assert_eq!(view.traps().find(68), None);
    assert_eq!(view.addresses().find(63), Some(33));
    assert_eq!(view.addresses().find(71), None);
    assert_eq!(view.functions().find(70).map(|f| (f.start, f.index, f.name)), Some((64, 8, None)));
    assert_eq!(view.functions().find(1).and_then(|f| f.name), Some("nothing"));
    assert_eq!(view.functions().find(2), None);
    assert_eq!(view.entry_trampoline(TypeId::from_index(2)), Some(208));
    assert_eq!(view.entry_trampoline(TypeId::from_index(1)), None);
    let run = view.export(InstanceId(0), "run");
    assert!(matches!(run, Some(ExportItem::Func(func)) if func.code_offset == 64), "{run:?}");
    assert_eq!(view.export(InstanceId(1), "run"), None);
    let segment = view.elem_segments().get(0).expect("a segment");
    assert_eq!(segment.range(1..3).expect("inside").collect::<Vec<_>>(), [64 << 32 | 2, 2]);
    assert!(segment.range(1..4).is_none());
}

/// Looking at all exports for each of them would take minutes.
#[test]
fn each_of_many_exports_is_found_by_its_name() {
    const COUNT: u32 = 100_000;
    let instance = |item: fn(u32) -> u32| {
        // Names are neither in order nor twice in one instance.
        let export = |number: u32| Export {
            name: format!("{}", number.reverse_bits()).into(),
            item: ExportItem::Global(GlobalId(item(number))),
        };
        CoreInstance { exports: (0..COUNT).map(export).collect(), ..CoreInstance::default() }
    };
    let instances = vec![instance(|_| 0), CoreInstance::default(), instance(|number| 1 + number % 2)];
    let view = Image::from_parts(&ImageParts { instances, ..sample() }).expect("opens");
    let find = |instance, number: u32| view.export(InstanceId(instance), &number.reverse_bits().to_string());
    for number in 0..COUNT {
        assert_eq!(find(0, number), Some(ExportItem::Global(GlobalId(0))));
        assert_eq!(find(1, number), None);
        assert_eq!(find(2, number), Some(ExportItem::Global(GlobalId(1 + number % 2))));
    }
    for name in ["", "x", "00"] {
        assert_eq!(view.export(InstanceId(0), name), None);
    }
}

#[test]
fn of_exports_with_one_name_the_first_is_found() {
    let export = |name: &str, global| Export { name: name.into(), item: ExportItem::Global(GlobalId(global)) };
    let instance = |exports| CoreInstance { exports, ..CoreInstance::default() };
    let instances = vec![
        instance(vec![export("b", 2), export("a", 1)]),
        instance(vec![export("a", 0), export("c", 1), export("a", 2)]),
    ];
    let view = Image::from_parts(&ImageParts { instances, ..sample() }).expect("opens");
    let find = |instance, name| match view.export(InstanceId(instance), name) {
        Some(ExportItem::Global(GlobalId(global))) => Some(global),
        _ => None,
    };
    assert_eq!([find(0, "a"), find(0, "b"), find(0, "c")], [Some(1), Some(2), None]);
    assert_eq!([find(1, "a"), find(1, "b"), find(1, "c")], [Some(0), None, Some(1)]);
}

#[test]
fn code_runs_where_the_file_is_mapped() {
    let view = open(&bytes()).expect("opens");
    assert!(view.notes().is_empty());
    // SAFETY: the sample's second function is `mov eax, 7; ret`.
    let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(view.text().base().add(64)) };
    assert_eq!(function(), 7);
    let ranges = view.mapped_ranges();
    assert!(ranges.text.contains(&(view.text().base() as usize)));
    assert!(ranges.meta.contains(&(view.data().as_ptr() as usize)));
}

#[test]
fn pages_are_the_same_from_a_copy_and_from_the_file() {
    let bytes = bytes();
    for trust in [FileTrust::Copy, FileTrust::Immutable] {
        let options = OpenOptions { trust, ..OpenOptions::default() };
        // SAFETY: the file is this test's alone.
        let view = unsafe { Image::open_file(file_of(&bytes), &options) }.expect("opens");
        let mut read = [0; 5];
        view.pages().read(view.layout().memory(0).start + 5000, &mut read).expect("reads");
        assert_eq!(&read, b"hello", "{trust:?}");
        view.pages().read(view.layout().vmctx + 7, &mut read).expect("reads");
        assert_eq!(read, [0, 1, 2, 3, 0], "{trust:?}");
    }
}

#[test]
fn a_copy_does_not_follow_the_file() {
    let file = file_of(&bytes());
    let clone = file.try_clone().expect("clone");
    // SAFETY: no code is run, and nothing but the pages is asked after the file has changed.
    let view = unsafe { Image::open_file(file, &OpenOptions::default()) }.expect("opens");
    let [_, _, (_, pages), _] = view.sections();
    std::os::unix::fs::FileExt::write_all_at(&clone, &[0xff; 4096], pages.start).expect("write");
    let mut read = [0; 3];
    view.pages().read(view.layout().vmctx + 8, &mut read).expect("reads");
    assert_eq!(read, [1, 2, 3]);
}

#[test]
fn an_empty_image_is_an_image() {
    let parts = sample();
    let empty = ImageParts::new(
        parts.tunables.clone(),
        crate::LayoutPlan::new(&crate::LayoutNeeds::default(), &parts.tunables).expect("layout"),
    );
    let view = Image::from_parts(&empty).expect("opens");
    view.verify().expect("sound");
    assert!(view.text().bytes().is_empty() && view.pages().file().is_none() && view.functions().is_empty());
}

#[test]
fn other_tools_read_it() {
    let bytes = bytes();
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    let text = elf.section_by_name(".text").expect("text");
    assert_eq!(text.data().expect("data"), sample().code);
    assert_eq!((text.address() % 4096, text.file_range().expect("range").0 % 4096), (0, 0));
    for name in [".hatchery.pages", ".hatchery.meta", ".hatchery.root"] {
        assert!(elf.section_by_name(name).is_some(), "{name}");
    }
    let mut names: Vec<_> =
        elf.symbols().map(|symbol| (symbol.address() - text.address(), symbol.name().expect("name"))).collect();
    names.sort();
    let expected = [
        (0, "nothing"),
        (64, "wasm[1].function[8]"),
        (128, "host:host.f"),
        (144, "host:host.g"),
        (192, "entry:()->()"),
        (208, "entry:(externref,(refnullnofunc),(refnullnoextern),funcref,exnref,(refnullnoexn))->(i32)"),
        (256, "spill:host.f"),
        (320, "builtin:raise"),
    ];
    assert_eq!(names, expected);
}
