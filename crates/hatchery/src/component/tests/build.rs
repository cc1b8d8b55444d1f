//! Descriptions of components, and instances of them.

use crate::component::{Component, Instance, Linker};
use crate::{Config, Engine, Error};
use hatchery_compile::LinkSet;
use hatchery_component::meta::{CoreRef, Export, ExportFunc, HostOptions, ImportFunc, Lowered, Meta};
use hatchery_component::plan::Encoding;
use hatchery_component::types::{FuncType, TypeDef, ValueType};

/// A component that is one core module: its exports `memory` and `realloc` serve all its functions.
pub(crate) struct Guest {
    pub(crate) meta: Meta,
    pub(crate) options: HostOptions,
    wat: String,
}

pub(crate) fn core(name: &str) -> CoreRef {
    CoreRef { instance: 0, name: name.into() }
}

impl Guest {
    pub(crate) fn new(wat: &str) -> Guest {
        let options = HostOptions {
            encoding: Encoding::Utf8,
            memory: wat.contains("(export \"memory\")").then(|| core("memory")),
            memory64: false,
            realloc: wat.contains("(export \"realloc\")").then(|| core("realloc")),
            handles: None,
        };
        Guest { meta: Meta::default(), options, wat: wat.to_owned() }
    }

    pub(crate) fn encoding(mut self, encoding: Encoding) -> Guest {
        self.options.encoding = encoding;
        self
    }

    pub(crate) fn def(&mut self, def: TypeDef) -> ValueType {
        ValueType::Def(self.meta.types.def(def))
    }

    fn func_type(params: &[ValueType], result: Option<ValueType>) -> FuncType {
        let params = params.iter().enumerate().map(|(i, ty)| (format!("p{i}").into(), *ty)).collect();
        FuncType { params, result }
    }

    /// An export, and an export of the core module with the same name; `post` is its post-return function.
    pub(crate) fn export(mut self, name: &str, params: &[ValueType], result: Option<ValueType>) -> Guest {
        let ty = self.meta.types.func(Guest::func_type(params, result));
        let post = format!("post-{name}");
        let post_return = self.wat.contains(&format!("\"{post}\"")).then(|| core(&post));
        let options = self.options.clone();
        let func = ExportFunc { ty, core: core(name), post_return, abandon: None, options };
        self.meta.exports.push((name.into(), Export::Func(func.into())));
        self
    }

    /// An import, and an import of the core module with the same names.
    pub(crate) fn import(
        mut self,
        interface: &str,
        name: &str,
        params: &[ValueType],
        result: Option<ValueType>,
    ) -> Guest {
        let ty = self.meta.types.func(Guest::func_type(params, result));
        let lowered = Lowered { core: (interface.into(), name.into()), options: self.options.clone() };
        let interface = if interface.is_empty() { None } else { Some(interface.into()) };
        self.meta.imports.push(ImportFunc { interface, name: name.into(), ty, lowered: vec![lowered] });
        self
    }

    pub(crate) fn compile(&self, engine: &Engine) -> Component {
        let mut set = LinkSet::new();
        let module = set.add_module(wat::parse_str(&self.wat).expect("valid text"));
        set.add_instance(module, None, &[]);
        Component::of_set(engine, set, &self.meta).expect("compiles")
    }

    /// An instance of it, linked with nothing.
    pub(crate) fn instantiate(&self) -> Instance<()> {
        self.link(|_| Ok(())).expect("an instance")
    }

    pub(crate) fn link(
        &self,
        define: impl FnOnce(&mut Linker<()>) -> Result<(), Error>,
    ) -> Result<Instance<()>, Error> {
        let engine = engine();
        let mut linker = Linker::new(&engine);
        define(&mut linker)?;
        linker.prepare(&self.compile(&engine))?.instantiate(())
    }
}

pub(crate) fn engine() -> Engine {
    Engine::new(&Config::new().allocation(crate::Allocation::Strict)).expect("an engine")
}

/// A bump allocator, and a memory.
pub(crate) const ALLOCATOR: &str = r#"
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func $realloc (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
        (local $at i32)
        (global.set $next (i32.and
            (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (local.set $at (global.get $next))
        (global.set $next (i32.add (global.get $next) (local.get $new)))
        (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
            (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $new) (i32.const 65536)))))))
        (memory.copy (local.get $at) (local.get $old) (local.get $size))
        (local.get $at))
"#;

/// The component whose text this is, with a resource `counter`, which `make` makes one of: of an instance of its `$m`, which
/// imports `poke` and has the destructor.
pub(super) fn with_counters(text: &str) -> String {
    const COUNTER: &str = r#"
  (core instance $m (instantiate $m (with "host" (instance (export "poke" (func $poke))))))
  (type $counter (resource (rep i32) (dtor (core func $m "drop"))))
  (core func $new (canon resource.new $counter))
  (core module $make
    (import "host" "new" (func $new (param i32) (result i32)))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0))))
  (core instance $make (instantiate $make (with "host" (instance (export "new" (func $new))))))
  (export $out "counter" (type $counter))
  (func (export "make") (param "start" u32) (result (own $out)) (canon lift (core func $make "make")))"#;
    text.replace("(;COUNTER;)", COUNTER)
}
