//! Components that export what they import: the host calls itself, through a component that only names things.

use super::build::engine;
use crate::component::{Component, Linker, Prepared, Resource, ResourceTable, Val};
use crate::{Error, ErrorKind};

const COMPONENT: &str = r#"
(component
  (import "test:host/files@1.0.0" (instance $files
    (export "file" (type $file (sub resource)))
    (export "open" (func (param "name" string) (result (own $file))))
    (export "size" (func (param "f" (borrow $file)) (result u32)))
    (export "sizes" (func (param "f" (list (borrow $file))) (result (list u32))))
    (export "close" (func (param "f" (own $file)) (result string)))
    (export "rename" (func (param "name" string) (param "f" (own $file)) (result (own $file))))))
  (import "sum" (func $sum
    (param "a" u64) (param "b" u64) (param "c" u64) (param "d" u64) (param "e" u64) (param "f" u64) (param "g" u64)
    (param "h" u64) (param "i" u64) (param "j" u64) (param "k" u64) (param "l" u64) (param "m" u64) (param "n" u64)
    (param "o" u64) (param "p" u64) (param "q" u64) (result (tuple u64 string))))
  (import "nothing" (func $nothing))
  (alias export $files "open" (func $open))
  (alias export $files "file" (type $file))
  (export "files" (instance $files))
  (export "own-file" (type $file))
  (export "open-again" (func $open))
  (export "total" (func $sum))
  (export "nothing-at-all" (func $nothing)))
"#;

struct File(String);

fn define(linker: &mut Linker<ResourceTable>) -> Result<(), Error> {
    let mut files = linker.instance("test:host/files@1.0.0")?;
    files.resource::<File>("file", |_, _| Ok(()))?;
    files.func("open", |mut caller, (name,): (String,)| Ok((caller.data_mut().push(File(name))?,)))?;
    files.func("size", |caller, (file,): (Resource<File>,)| {
        assert!(!file.owned());
        Ok((caller.data().get(&file)?.0.len() as u32,))
    })?;
    files.func("sizes", |caller, (files,): (Vec<Resource<File>>,)| {
        let size = |file: &Resource<File>| Ok(caller.data().get(file)?.0.len() as u32);
        Ok((files.iter().map(size).collect::<Result<Vec<u32>, Error>>()?,))
    })?;
    files.func("close", |mut caller, (file,): (Resource<File>,)| Ok((caller.data_mut().delete(file)?.0,)))?;
    files.func("rename", |mut caller, (name, file): (String, Resource<File>)| {
        caller.data_mut().get_mut(&file)?.0 = name;
        Ok((file,))
    })?;
    let mut root = linker.root();
    root.func_dynamic("sum", |_, ty, params| {
        assert_eq!(ty.params().count(), 17);
        let number = |param: &Val| if let Val::U64(number) = param { *number } else { panic!("{param:?}") };
        let sum: u64 = params.iter().map(number).sum();
        Ok(Some(Val::Tuple(vec![Val::U64(sum), Val::String(format!("{sum}"))])))
    })?;
    root.func("nothing", |_, (): ()| Ok(()))?;
    Ok(())
}

fn prepared() -> Prepared<ResourceTable> {
    let mut linker = Linker::new(&engine());
    define(&mut linker).expect("defined once");
    let component = Component::new(linker.engine(), COMPONENT).expect("compiles");
    linker.prepare(&component).expect("fits")
}

#[test]
fn functions_that_are_imported_and_exported_are_the_hosts() {
    let prepared = prepared();
    let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
    let total = prepared.func_dynamic("total").expect("there");
    let many: Vec<Val> = (1..=17).map(Val::U64).collect();
    let sum = Val::Tuple(vec![Val::U64(153), Val::String("153".to_owned())]);
    for _ in 0..3 {
        assert_eq!(total.call(&mut instance, &many).expect("returns"), Some(sum.clone()));
    }
    let nothing = prepared.func::<(), ()>("nothing-at-all").expect("of this type");
    nothing.call(&mut instance, ()).expect("returns");
}

#[test]
fn resources_pass_through_a_component_that_exports_what_it_imports() {
    let prepared = prepared();
    let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
    let open = prepared.func::<(&str,), (Resource<File>,)>(("files", "open")).expect("of this type");
    let again = prepared.func::<(&str,), (Resource<File>,)>("open-again").expect("of this type");
    let size = prepared.func::<(Resource<File>,), (u32,)>(("files", "size")).expect("of this type");
    let sizes = prepared.func::<(Vec<Resource<File>>,), (Vec<u32>,)>(("files", "sizes")).expect("of this type");
    let close = prepared.func::<(Resource<File>,), (String,)>(("files", "close")).expect("of this type");
    let lent = |file: &Resource<File>| Resource::<File>::new_borrow(file.rep());
    let (four,) = open.call(&mut instance, ("four",)).expect("returns");
    let (seventeen,) = again.call(&mut instance, ("seventeen",)).expect("returns");
    assert!(four.owned());
    assert_eq!(size.call(&mut instance, (lent(&four),)).expect("returns"), (4,));
    let both = vec![lent(&seventeen), lent(&four), lent(&four)];
    assert_eq!(sizes.call(&mut instance, (both,)).expect("returns").0, [9, 4, 4]);
    assert_eq!(close.call(&mut instance, (four,)).expect("returns").0, "four");
    assert_eq!(instance.data().len(), 1);
    // Nothing of what was lent stays with the component.
    assert_eq!(close.call(&mut instance, (seventeen,)).expect("returns").0, "seventeen");
    assert!(instance.data().is_empty());
}

#[test]
fn what_does_not_fit_on_its_way_is_refused() {
    let prepared = prepared();
    let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
    let open = prepared.func::<(String,), (Resource<File>,)>("open-again").expect("of this type");
    open.call(&mut instance, ("x".repeat(64 << 20),)).expect("there is room for this");
    let error = open.call(&mut instance, ("x".repeat(200 << 20),)).expect_err("is more than there is room for");
    assert_eq!(error.kind(), ErrorKind::Trap, "{error}");
}

/// Each of them puts a long string on its way before it fails, and all together are more than there is room for.
#[test]
fn calls_that_cannot_be_made_leave_nothing_on_its_way() {
    let prepared = prepared();
    let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
    let open = prepared.func::<(&str,), (Resource<File>,)>("open-again").expect("of this type");
    let rename = prepared.func::<(&str, Resource<File>), (Resource<File>,)>(("files", "rename")).expect("of this type");
    let long = "x".repeat(40 << 20);
    let (file,) = open.call(&mut instance, ("short",)).expect("returns");
    let passed = file.rep();
    let (renamed,) = rename.call(&mut instance, ("a name", file)).expect("returns");
    for _ in 0..8 {
        let lent = Resource::<File>::new_borrow(passed);
        let error = rename.call(&mut instance, (&long, lent)).expect_err("what is lent cannot be given away");
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
    let (renamed,) = rename.call(&mut instance, (&long, renamed)).expect("there is room");
    assert_eq!(instance.data().get(&renamed).expect("there").0.len(), long.len());
}

#[test]
fn a_type_that_is_imported_and_exported_is_the_hosts() {
    let prepared = prepared();
    let exports = prepared.component().exports();
    assert!(exports.get("own-file").is_some());
    assert_eq!(exports.iter().count(), 5);
}
