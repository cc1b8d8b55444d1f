//! What is to be done at build time, in order: a value made of values.

use crate::image;
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{Image, InstanceId};

/// A reactor's own initialization, which its convention wants before any other export.
const REACTOR: &str = "_initialize";
/// Names by which programs offer a function to be run at build time.
const RECOGNIZED: [&str; 2] = ["wizer-initialize", "wizer.initialize"];

/// Which export is run behind the plan, besides `_initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InitExport {
    /// `wizer-initialize` or `wizer.initialize`, if there is one.
    #[default]
    Recognized,
    /// This one.
    Named(String),
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// A step of the plan, by number.
    Step(usize),
    /// A call of an exported function of type `() -> ()`.
    Export {
        /// Its name.
        name: String,
        /// The function.
        function: PackedFuncRef,
    },
}

/// An export cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// There is none.
    #[error("there is no exported function `{0}` to initialize with")]
    NoSuchExport(String),
    /// It wants arguments or has results.
    #[error("the export `{0}` cannot initialize: it has parameters or results")]
    WrongType(String),
}

/// The steps that are left, at most `limit` of them, and behind the last step the exports that did not run yet.
pub(crate) fn work(
    image: &Image,
    root: InstanceId,
    export: &InitExport,
    limit: Option<usize>,
) -> Result<Vec<Job>, WorkError> {
    let exports = exports(image, root, export)?;
    let steps = image::remaining(image).map(Job::Step);
    match limit {
        Some(limit) if limit < steps.len() => Ok(steps.take(limit).collect()),
        _ => Ok(steps.chain(exports).collect()),
    }
}

fn exports(image: &Image, root: InstanceId, export: &InitExport) -> Result<Vec<Job>, WorkError> {
    let plain = |name: &&str| matches!(image::exported_function(image, root, name), Some((_, true)));
    let mut names: Vec<&str> = Some(REACTOR).filter(plain).into_iter().collect();
    match export {
        InitExport::Recognized => names.extend(RECOGNIZED.into_iter().find(plain)),
        InitExport::Named(name) => match image::exported_function(image, root, name) {
            None => return Err(WorkError::NoSuchExport(name.clone())),
            Some((_, false)) => return Err(WorkError::WrongType(name.clone())),
            Some(_) if name == REACTOR => {}
            Some(_) => names.push(name),
        },
    }
    let job = |name: &str| {
        let (function, _) = image::exported_function(image, root, name)?;
        Some(Job::Export { name: name.to_owned(), function })
    };
    Ok(names.into_iter().filter(|name| !image::has_run(image, root, name)).filter_map(job).collect())
}
