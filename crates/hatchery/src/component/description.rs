//! The description of a component that is stored with its image.

use super::options::bug;
use crate::error::{Error, ErrorKind};
use hatchery_component::meta::Meta;
use hatchery_image::Image;

/// What a description begins with: the version of what follows.
pub(crate) const VERSION: [u8; 4] = *b"cm\0\x02";

/// The bytes that are stored.
pub(crate) fn encode(meta: &Meta) -> Result<Vec<u8>, Error> {
    postcard::to_extend(meta, VERSION.to_vec()).map_err(|e| bug(&e.to_string()))
}

/// The description that was stored with an image by somebody who is not ourselves: it may be anything.
///
/// # Errors
///
/// When there is none, it cannot be read, or it is not of this image.
pub(crate) fn decode(image: &Image) -> Result<Meta, Error> {
    decode_for(image, image.extension())
}

/// As [`decode`], of bytes that could be stored with an image.
pub(crate) fn decode_for(image: &Image, bytes: &[u8]) -> Result<Meta, Error> {
    let bytes = match bytes.split_first_chunk() {
        Some((&VERSION, bytes)) => bytes,
        Some((&[b'c', b'm', 0, version], _)) => {
            let message = format!(
                "the component's description has version {version}, and this is a reader of version {}: build it again",
                VERSION[3]
            );
            return Err(Error::message(ErrorKind::Artifact, message));
        }
        _ => return Err(Error::message(ErrorKind::Artifact, "it is no component, but a module")),
    };
    let meta = match postcard::take_from_bytes(bytes) {
        Ok((meta, [])) => meta,
        Ok((_, rest)) => return Err(damaged(&format!("{} bytes are behind its end", rest.len()))),
        Err(error) => return Err(damaged(&format!("it cannot be read: {error}"))),
    };
    hatchery_component::check(&meta, image).map_err(|flaw| damaged(&flaw.to_string()))?;
    Ok(meta)
}

fn damaged(what: &str) -> Error {
    Error::message(ErrorKind::Artifact, format!("the component's description is damaged: {what}"))
}
