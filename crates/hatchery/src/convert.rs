//! Conversions at the border: the face's plain types from and to the lower crates' own.

use crate::config::{Bounds, Config, Cpu, Determinism, Interruption, Optimization, Scrub, Speculation, Version};
use crate::val::{FuncType, ValType};
use hatchery_compile::Budget;
use hatchery_image as image;
use hatchery_vm::{HostSignature, HostType};

/// What is done to stacks.
pub(crate) fn scrub(scrub: Scrub) -> hatchery_vm::Scrub {
    match scrub {
        Scrub::Keep => hatchery_vm::Scrub::Keep,
        Scrub::Discard => hatchery_vm::Scrub::Discard,
    }
}

/// The choices of a compilation under this configuration.
pub(crate) fn tunables(config: &Config) -> image::Tunables {
    let defaults = image::Tunables::default();
    image::Tunables {
        memory32_reservation: config.memory_reservation.unwrap_or(defaults.memory32_reservation),
        memory64_reservation: config.memory_reservation.unwrap_or(defaults.memory64_reservation),
        memory_guard: config.memory_guard.unwrap_or(defaults.memory_guard),
        table_room: config.table_room.unwrap_or(defaults.table_room),
        explicit_bounds: config.bounds == Bounds::Explicit,
        explicit_growth: config.bounds == Bounds::Growing,
        speculation_guards: config.speculation == Speculation::Guarded,
        interruption: match config.interruption {
            Interruption::None => image::Interruption::None,
            Interruption::Deadline => image::Interruption::Poll,
            Interruption::Fuel => image::Interruption::Fuel,
        },
        determinism: match config.determinism {
            Determinism::Relaxed => image::Determinism::Relaxed,
            Determinism::Strict => image::Determinism::Strict,
        },
        opt_level: match config.optimization {
            Optimization::None => image::OptLevel::None,
            Optimization::Speed => image::OptLevel::Speed,
        },
        cpu: match &config.cpu {
            Cpu::Baseline => image::CpuTarget::Baseline,
            Cpu::Native => image::CpuTarget::Native,
            Cpu::Named(name) => image::CpuTarget::Named(name.clone()),
        },
    }
}

/// The configuration of an engine with these choices.
pub(crate) fn config(tunables: &image::Tunables) -> Config {
    let speculation = if tunables.speculation_guards { Speculation::Guarded } else { Speculation::Unguarded };
    Config::new()
        .memory_reservation(tunables.memory32_reservation)
        .memory_guard(tunables.memory_guard)
        .table_room(tunables.table_room)
        .bounds(match (tunables.explicit_bounds, tunables.explicit_growth) {
            (true, _) => Bounds::Explicit,
            (false, true) => Bounds::Growing,
            (false, false) => Bounds::Guard,
        })
        .speculation(speculation)
        .interruption(match tunables.interruption {
            image::Interruption::None => Interruption::None,
            image::Interruption::Poll => Interruption::Deadline,
            image::Interruption::Fuel => Interruption::Fuel,
        })
        .determinism(match tunables.determinism {
            image::Determinism::Relaxed => Determinism::Relaxed,
            image::Determinism::Strict => Determinism::Strict,
        })
        .optimization(match tunables.opt_level {
            image::OptLevel::None => Optimization::None,
            image::OptLevel::Speed => Optimization::Speed,
        })
        .cpu(match &tunables.cpu {
            image::CpuTarget::Baseline => Cpu::Baseline,
            image::CpuTarget::Native => Cpu::Native,
            image::CpuTarget::Named(name) => Cpu::Named(name.clone()),
        })
}

/// The choices as words: name, value.
pub(crate) fn tunables_list(tunables: &image::Tunables) -> Vec<(String, String)> {
    let config = config(tunables);
    let yes = |flag| if flag { "yes" } else { "no" }.to_owned();
    let list = [
        ("reservation of 32-bit memories", tunables.memory32_reservation.to_string()),
        ("reservation of 64-bit memories", tunables.memory64_reservation.to_string()),
        ("guard of memories", tunables.memory_guard.to_string()),
        ("room of growable tables", tunables.table_room.to_string()),
        ("explicit bounds", yes(tunables.explicit_bounds)),
        ("explicit bounds where memories grow", yes(tunables.explicit_growth)),
        ("speculation guards", yes(tunables.speculation_guards)),
        ("interruption", format!("{:?}", config.interruption).to_lowercase()),
        ("determinism", format!("{:?}", config.determinism).to_lowercase()),
        ("optimization level", format!("{:?}", config.optimization).to_lowercase()),
        (
            "CPU",
            match config.cpu {
                Cpu::Baseline => "baseline".to_owned(),
                Cpu::Native => "native".to_owned(),
                Cpu::Named(name) => name,
            },
        ),
    ];
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the validator accepts for a version.
pub(crate) fn features(version: Version) -> hatchery_compile::Features {
    match version {
        Version::Wasm2 => hatchery_compile::Features::Wasm2,
        Version::Latest => hatchery_compile::Features::All,
    }
}

/// The link budget under this configuration.
pub(crate) fn budget(config: &Config) -> Budget {
    let mut budget = Budget::default();
    budget.instances = config.max_core_instances.map_or(budget.instances, |n| n as u64);
    budget.functions = config.max_functions.map_or(budget.functions, |n| n as u64);
    budget.code_bytes = config.max_code_bytes.unwrap_or(budget.code_bytes);
    budget.repeated_code_bytes = config.max_repeated_code_bytes.unwrap_or(budget.repeated_code_bytes);
    budget
}

/// A value type as the face shows it.
pub(crate) fn val_type(ty: image::ValType) -> ValType {
    match ty {
        image::ValType::I32 => ValType::I32,
        image::ValType::I64 => ValType::I64,
        image::ValType::F32 => ValType::F32,
        image::ValType::F64 => ValType::F64,
        image::ValType::V128 => ValType::V128,
        image::ValType::Ref(r) if r.is_exn() => ValType::ExnRef,
        image::ValType::Ref(r) => match (r.is_func(), r.nullable, r.heap) {
            (true, true, image::HeapType::Func) => ValType::FuncRef,
            (true, ..) => ValType::TypedFuncRef,
            (false, true, _) => ValType::ExternRef,
            (false, false, _) => ValType::NonNullExternRef,
        },
    }
}

/// Whether these are those, as the face shows them.
pub(crate) fn are_types(found: &[image::ValType], wanted: &[ValType]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| val_type(*found) == *wanted)
}

/// A function type as the face shows it.
pub(crate) fn func_type(ty: &image::FuncType) -> FuncType {
    FuncType::new(ty.params.iter().map(|ty| val_type(*ty)), ty.results.iter().map(|ty| val_type(*ty)))
}

/// A type of the face as the image has it; a reference type in its most general form.
pub(crate) fn image_type(ty: ValType) -> image::ValType {
    match ty {
        ValType::I32 => image::ValType::I32,
        ValType::I64 => image::ValType::I64,
        ValType::F32 => image::ValType::F32,
        ValType::F64 => image::ValType::F64,
        ValType::V128 => image::ValType::V128,
        ValType::FuncRef | ValType::TypedFuncRef => image::ValType::Ref(image::RefType::FUNCREF),
        ValType::ExternRef | ValType::NonNullExternRef => image::ValType::Ref(image::RefType::EXTERNREF),
        ValType::ExnRef => image::ValType::Ref(image::RefType::EXNREF),
    }
}

/// The signature of a host function of this type.
pub(crate) fn host_signature(ty: &FuncType) -> HostSignature {
    let types = |types: &[ValType]| types.iter().map(|ty| HostType::of(image_type(*ty))).collect::<Vec<_>>();
    HostSignature::new(types(ty.params()), types(ty.results()))
}
