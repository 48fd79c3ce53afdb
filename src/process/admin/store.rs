//! Orders to the store of this process.
//!
//! What it is: one message, an order with the bytes that belong to it, done by the store's thread.
//! Shape: [`answer`] gives an [`Answer`]. Units: bytes. Errors: the statuses of
//! [`crate::store::StoreError`], with its text. Source: none.

use std::rc::Rc;

use super::routes::Answer;
use crate::{
    process::{control::Control, reload},
    store::order::Order,
};

/// Does what `message` says.
pub(super) async fn answer(control: &Rc<Control>, message: &[u8]) -> Answer {
    let (order, payload) = match Order::of_message(message) {
        Ok((order, payload)) => (order, payload.to_vec()),
        Err(error) => return Answer::text(error.status(), format!("{error}\n")),
    };
    if let Order::Change(change) = order {
        return match reload::deploy(control, change, payload).await {
            Ok(value) => Answer::json(200, &value),
            Err(refused) => Answer::text(refused.status(), format!("{refused}\n")),
        };
    }
    match control.keeper.perform(control, order, payload).await {
        Ok(value) => Answer::json(200, &value),
        Err(error) => Answer::text(error.status(), format!("{error}\n")),
    }
}
