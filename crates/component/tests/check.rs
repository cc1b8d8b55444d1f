//! Descriptions of components with many functions, and the images that they are checked against.

use hatchery_component::check;
use hatchery_component::meta::{CoreRef, Export, ExportFunc, HostOptions, ImportFunc, Lowered, Meta};
use hatchery_component::plan::Encoding;
use hatchery_component::types::FuncType;
use hatchery_image::artifact::ImageParts;
use hatchery_image::{
    CoreInstance, Export as CoreExport, ExportItem, FuncExport, FuncType as CoreType, HostImport, Image, InstanceId,
    LayoutNeeds, LayoutPlan, Tunables, TypeId, TypeTable,
};

/// So many that looking at all of them for each takes minutes.
const COUNT: usize = 50_000;

/// Without parameters and results.
const PLAIN: TypeId = TypeId::from_index(0);

/// An image that imports functions and exports as many, all of one type.
fn image() -> Image {
    let tunables = Tunables::default();
    let layout = LayoutPlan::new(&LayoutNeeds::default(), &tunables).expect("fits");
    let names = || (0..COUNT).map(|number| format!("f{number}"));
    let export = |name: String| CoreExport {
        name: name.into(),
        item: ExportItem::Func(FuncExport { ty: PLAIN, code_offset: 0 }),
    };
    let import = |name: String| HostImport {
        instance: InstanceId(0),
        module: "host".into(),
        name: name.into(),
        ty: PLAIN,
        thunk: 0,
        spill_shim: None,
    };
    let instance = CoreInstance { exports: names().map(export).collect(), ..CoreInstance::default() };
    let parts = ImageParts {
        types: TypeTable::new(vec![CoreType::new([], [])]),
        entry_trampolines: vec![None],
        code: vec![0xc3; 64],
        instances: vec![instance],
        imports: names().map(import).collect(),
        ..ImageParts::new(tunables, layout)
    };
    Image::from_parts(&parts).expect("opens")
}

/// The component that has these functions.
fn meta() -> Meta {
    let mut meta = Meta::default();
    let ty = meta.types.func(FuncType { params: Vec::new(), result: None });
    let options = HostOptions { encoding: Encoding::Utf8, memory: None, memory64: false, realloc: None, handles: None };
    for number in 0..COUNT {
        let name: Box<str> = format!("f{number}").into();
        let core = CoreRef { instance: 0, name: name.clone() };
        let func = ExportFunc { ty, core, post_return: None, abandon: None, options: options.clone() };
        meta.exports.push((name.clone(), Export::Func(func.into())));
        let lowered = Lowered { core: ("host".into(), name.clone()), options: options.clone() };
        meta.imports.push(ImportFunc { interface: Some("host".into()), name, ty, lowered: vec![lowered] });
    }
    meta
}

#[test]
fn each_of_many_functions_is_looked_for_once() {
    let (image, mut meta) = (image(), meta());
    assert_eq!(check(&meta, &image), Ok(()));
    meta.imports[COUNT - 1].lowered[0].core.1 = "g".into();
    let flaw = check(&meta, &image).expect_err("it is not there").to_string();
    assert_eq!(flaw, "the image has no import `host` `g` of type () -> ()");
}
