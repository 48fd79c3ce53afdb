//! What request heads may say about their own routing.
//!
//! What it is: `X-HTTP-Method-Override` replaces the verb, for every stage that follows, and
//! `x-apigw-api-id` names the API where private ones are called. Shape: plain functions over a
//! parsed head. Units: none. Errors: none; what cannot be used is passed over. Source: Amazon API
//! Gateway developer guide, "REST API important notes" and "invoke a private API".

use super::exchange::Exchange;
use crate::{
    plan::Door,
    wire::{head::RequestHead, known::Known, method::Method},
};

/// Lets the override's verb stand for the request's. Of a repeated header the last counts. Neither
/// side may be HEAD: whether an answer has a body follows from what the client really sent.
pub(super) fn take_override(x: &mut Exchange) {
    let Some(field) = x.head.fields.all(Known::XHttpMethodOverride).last() else {
        return;
    };
    let span = field.value;
    let method = Method::of(span.of(x.head_bytes.bytes()));
    let is_verb = matches!(
        method,
        Method::Get | Method::Put | Method::Post | Method::Delete | Method::Patch | Method::Options
    );
    if is_verb && x.head.method != Method::Head {
        x.head.method = method;
        x.head.method_name = span;
    }
}

/// The API that a header names, where it may.
pub(super) fn api_id<'a>(head: &'a RequestHead, bytes: &'a [u8], door: Door) -> Option<&'a [u8]> {
    if !door.is_private() {
        return None;
    }
    let named = head.fields.named(bytes, b"x-apigw-api-id").last()?;
    Some(named.value.of(bytes))
}
