//! The code generator's settings.

use crate::error::CompileError;
use cranelift_codegen::isa::{self, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError, SettingKind};
use hatchery_image::artifact::IsaFlags;
use hatchery_image::{CpuTarget, Determinism, OptLevel, Tunables};

/// What every target has: vector instructions without it would need library calls.
const BASELINE: &str = "x86-64-v2";

/// The code generator that these choices ask for. Whether this machine can run the code is asked when it is opened.
pub(crate) fn target(tunables: &Tunables) -> Result<OwnedTargetIsa, CompileError> {
    let wanted = build(&tunables.cpu, tunables)?;
    let least = build(&CpuTarget::Baseline, tunables)?;
    if let Some(feature) = missing(least.as_ref(), wanted.as_ref()) {
        let text = format!("{} lacks {feature}; the least that is supported is {BASELINE}", describe(&tunables.cpu));
        return Err(CompileError::Target(text));
    }
    Ok(wanted)
}

/// What each CPU that is known by name has beside a feature, and presets of the code generator leave out: with them alone,
/// code for Zen, or for x86-64-v3, would have no AVX.
const IMPLIED: [(&str, &[&str]); 14] = [
    ("has_ssse3", &["has_sse3"]),
    ("has_sse41", &["has_ssse3"]),
    ("has_sse42", &["has_sse41"]),
    ("has_avx", &["has_sse42"]),
    ("has_avx2", &["has_avx"]),
    ("has_fma", &["has_avx"]),
    // No rule of the instruction set, but true of what has names.
    ("has_bmi2", &["has_avx2"]),
    ("has_avx_vnni", &["has_avx2", "has_fma"]),
    ("has_avx512f", &["has_avx2", "has_fma"]),
    ("has_avx512bitalg", &["has_avx512f"]),
    ("has_avx512dq", &["has_avx512f"]),
    ("has_avx512vbmi", &["has_avx512f"]),
    ("has_avx512vl", &["has_avx512f"]),
    ("has_avx512vnni", &["has_avx512f"]),
];

/// These features, and what they imply.
fn closure(mut features: Vec<&'static str>) -> Vec<&'static str> {
    let mut at = 0;
    while let Some(feature) = features.get(at) {
        let implied = IMPLIED.iter().filter(|(name, _)| name == feature).flat_map(|(_, implied)| *implied);
        let new: Vec<_> = implied.copied().filter(|feature| !features.contains(feature)).collect();
        features.extend(new);
        at += 1;
    }
    features
}

/// The features that are on.
fn features(isa: &dyn TargetIsa) -> Vec<&'static str> {
    isa.isa_flags().iter().filter(|flag| flag.as_bool() == Some(true)).map(|flag| flag.name).collect()
}

/// The names that there are for what is supported.
fn known() -> Vec<&'static str> {
    let Ok(builder) = isa::lookup_by_name("x86_64") else { return Vec::new() };
    let presets = builder.iter().filter(|setting| setting.kind == SettingKind::Preset).map(|setting| setting.name);
    let is_supported =
        |name: &&str| target(&Tunables { cpu: CpuTarget::Named((*name).to_owned()), ..Tunables::default() }).is_ok();
    presets.filter(is_supported).collect()
}

fn describe(cpu: &CpuTarget) -> String {
    match cpu {
        CpuTarget::Baseline => BASELINE.to_owned(),
        CpuTarget::Native => "this machine".to_owned(),
        CpuTarget::Named(name) => format!("CPU `{name}`"),
    }
}

/// A feature of `these` that `those` lack.
fn missing(these: &dyn TargetIsa, those: &dyn TargetIsa) -> Option<&'static str> {
    let there = features(those);
    let missing = features(these).into_iter().find(|name| !there.contains(name));
    missing.map(|name| name.strip_prefix("has_").unwrap_or(name))
}

/// Extensions of the instruction set that the code generator may use.
pub(crate) fn flags_of(isa: &dyn TargetIsa) -> Result<IsaFlags, CompileError> {
    let mut flags = IsaFlags::empty();
    for name in features(isa) {
        let unknown = || CompileError::Internal(format!("artifacts have no name for the CPU feature {name}"));
        flags |= IsaFlags::from_setting(name).ok_or_else(unknown)?;
    }
    Ok(flags)
}

fn build(cpu: &CpuTarget, tunables: &Tunables) -> Result<OwnedTargetIsa, CompileError> {
    let mut builder = match cpu {
        CpuTarget::Native => cranelift_native::builder().map_err(|error| CompileError::Target(error.to_owned()))?,
        CpuTarget::Baseline | CpuTarget::Named(_) => {
            isa::lookup_by_name("x86_64").map_err(|error| CompileError::Target(error.to_string()))?
        }
    };
    let preset = match cpu {
        CpuTarget::Native => None,
        CpuTarget::Baseline => Some(BASELINE),
        CpuTarget::Named(name) => Some(name.as_str()),
    };
    let internal = |error: SetError| CompileError::Internal(format!("code generator setting: {error}"));
    let flags = flags(tunables).map_err(internal)?;
    let finish =
        |builder: &isa::Builder| builder.finish(flags.clone()).map_err(|error| CompileError::Target(error.to_string()));
    let Some(preset) = preset else { return finish(&builder) };
    let unknown =
        |_| CompileError::Target(format!("{} is not known; these are: {}", describe(cpu), known().join(", ")));
    builder.enable(preset).map_err(unknown)?;
    let named = finish(&builder)?;
    for feature in closure(features(named.as_ref())) {
        builder.enable(feature).map_err(internal)?;
    }
    finish(&builder)
}

fn flags(tunables: &Tunables) -> Result<settings::Flags, SetError> {
    let on_if = |condition| if condition { "true" } else { "false" };
    let opt_level = match tunables.opt_level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
    };
    let mut flags = settings::builder();
    flags.set("opt_level", opt_level)?;
    flags.set("enable_verifier", on_if(cfg!(debug_assertions)))?;
    flags.set("enable_nan_canonicalization", on_if(tunables.determinism == Determinism::Strict))?;
    // Position independence is ours: see `symbol`.
    flags.set("is_pic", "false")?;
    // Backtraces walk frame pointers; nothing unwinds.
    flags.set("preserve_frame_pointers", "true")?;
    flags.set("unwind_info", "false")?;
    // A large frame must not jump over the guard of its stack.
    flags.set("enable_probestack", "true")?;
    flags.set("probestack_strategy", "inline")?;
    // Read by no front end but another project's; ours are in `function`.
    flags.set("enable_heap_access_spectre_mitigation", "false")?;
    flags.set("enable_table_access_spectre_mitigation", "false")?;
    Ok(settings::Flags::new(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<OwnedTargetIsa, CompileError> {
        target(&Tunables { cpu: CpuTarget::Named(name.to_owned()), ..Tunables::default() })
    }

    #[test]
    fn targets_are_found_by_name_and_bounded_from_below() {
        assert!(target(&Tunables::default()).is_ok());
        assert!(target(&Tunables { cpu: CpuTarget::Baseline, ..Tunables::default() }).is_ok());
        assert!(named("nehalem").is_ok());
        assert!(named("sapphirerapids").is_ok(), "whatever this machine has");
        let error = named("core2").err().expect("too old").to_string();
        assert!(error.contains("least that is supported"), "{error}");
        let error = named("pentium-of-theseus").err().expect("no such CPU").to_string();
        assert!(error.contains("not known") && error.contains("haswell, ") && error.contains("znver3, "), "{error}");
        assert!(!error.contains("sse") && !error.contains("core2"), "{error}");
    }

    #[test]
    fn who_has_avx2_uses_it_by_whatever_name() {
        let haswell = features(named("haswell").expect("is known").as_ref());
        for name in ["x86-64-v3", "x86-64-v4", "znver1", "znver2", "znver3", "znver4", "alderlake", "bdver4"] {
            let features = features(named(name).expect("is known").as_ref());
            for vectors in haswell.iter().filter(|name| name.starts_with("has_avx") || name.starts_with("has_sse")) {
                assert!(features.contains(vectors), "{name} lacks {vectors}");
            }
        }
        let has = |name: &str, feature| features(named(name).expect("is known").as_ref()).contains(&feature);
        assert!(has("x86-64-v4", "has_avx512f"));
        // Nothing is added that there is not.
        assert!(!has("x86-64-v3", "has_avx512f") && !has("znver3", "has_avx512f"));
        assert!(has("sandybridge", "has_avx") && !has("sandybridge", "has_avx2"));
        assert!(!has("x86-64-v2", "has_avx") && !has("nehalem", "has_avx"));
    }

    #[test]
    fn artifacts_can_say_every_extension_that_the_code_generator_knows() {
        let isa = build(&CpuTarget::Native, &Tunables::default()).expect("native");
        let nameless = |name: &&str| name.starts_with("has_") && IsaFlags::from_setting(name).is_none();
        let names: Vec<_> = isa.isa_flags().iter().map(|flag| flag.name).collect();
        assert!(names.contains(&"has_avx2"));
        assert_eq!(names.iter().copied().filter(|name| nameless(name)).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn the_baseline_lacks_what_only_newer_machines_have() {
        let base = build(&CpuTarget::Baseline, &Tunables::default()).expect("baseline");
        let newer = build(&CpuTarget::Named("x86-64-v3".into()), &Tunables::default()).expect("newer");
        assert!(missing(newer.as_ref(), base.as_ref()).is_some());
        assert!(missing(base.as_ref(), newer.as_ref()).is_none());
    }
}
