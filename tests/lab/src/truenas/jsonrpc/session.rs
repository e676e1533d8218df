//! One connection: what is heard, and in what order it is done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::methods::{self, Outcome};
use super::subscriptions::Subscriptions;
use super::{Out, login};
use crate::truenas::control::Control;
use crate::truenas::fault::RpcFault;
use crate::truenas::records::CallSeen;
use crate::truenas::refusal::{
    INVALID_JSON, INVALID_REQUEST, METHOD_NOT_FOUND, Refusal, TOO_MANY_CONCURRENT_CALLS, rpc_error,
};

/// The longest message of somebody who has not logged in, and of somebody who has.
const ANONYMOUS_BYTES: usize = 8 << 10;
const LONGEST_BYTES: usize = 64 << 10;

/// So many calls are made at a time, and so many more or fewer are taken in all.
const CALLS_AT_A_TIME: usize = 10;
const CALLS_IN_ALL: usize = 20;

/// How often a call that takes its time looks whether it has taken enough.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection.
pub(super) struct Session {
    pub(super) control: Control,
    pub(super) number: usize,
    pub(super) encrypted: bool,
    state: Mutex<State>,
    slots: Semaphore,
    taken: AtomicUsize,
}

/// What a connection remembers.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) logged_in: bool,
    /// The result of a job method is that of the job.
    pub(super) waits_for_jobs: bool,
    pub(super) subscriptions: Subscriptions,
}

/// A call that has been understood.
pub(super) struct Call {
    id: Value,
    method: String,
    params: Vec<Value>,
    fault: Option<RpcFault>,
}

/// What is to be done about a message.
pub(super) enum Heard {
    Nothing,
    Reply(Out),
    Call(Call),
}

impl Session {
    pub(super) fn new(control: Control, number: usize, encrypted: bool) -> Self {
        let seen = control.look(|world, _| world.events.happened());
        Self {
            control,
            number,
            encrypted,
            state: Mutex::new(State {
                subscriptions: Subscriptions::after(seen),
                ..State::default()
            }),
            slots: Semaphore::new(CALLS_AT_A_TIME),
            taken: AtomicUsize::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Understands a message, and writes it down if it is a call.
    pub(super) fn hear(&self, message: Message) -> Heard {
        let text = match message {
            Message::Text(text) => text,
            // Pings are answered by the library, and a farewell ends the stream.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                return Heard::Nothing;
            }
            Message::Binary(_) => {
                return close(
                    1003,
                    "Invalid websocket message type: <WSMsgType.BINARY: 2>",
                );
            }
        };
        if !self.state().logged_in && text.len() > ANONYMOUS_BYTES {
            return close(1007, "Anonymous connection max message length is 8 kB");
        }
        let message: Value = match serde_json::from_str(&text) {
            Ok(message) => message,
            Err(error) => return complain(INVALID_JSON, &error.to_string()),
        };
        if message.is_array() {
            return complain(INVALID_JSON, "Batch messages are not supported yet");
        }
        if text.len() > LONGEST_BYTES {
            return close(1009, "Max message length is 64 kB");
        }
        self.understand(message)
    }

    fn understand(&self, message: Value) -> Heard {
        let Value::Object(mut message) = message else {
            return complain(INVALID_JSON, "Invalid Message Format");
        };
        if message.remove("jsonrpc") != Some(json!("2.0")) {
            return complain(INVALID_REQUEST, "'jsonrpc' is not one of ['2.0']");
        }
        let Some(Value::String(method)) = message.remove("method") else {
            return complain(INVALID_REQUEST, "'method' is a required property");
        };
        let params = match message.remove("params") {
            None => Vec::new(),
            Some(Value::Array(params)) => params,
            Some(params) => {
                let why = format!("{params} is not of type 'array'");
                return complain(INVALID_REQUEST, &why);
            }
        };
        let id = message.remove("id").unwrap_or_default();
        if !(id.is_null() || id.is_number() || id.is_string()) {
            let why = format!("{id} is not of type 'null', 'number', 'string'");
            return complain(INVALID_REQUEST, &why);
        }
        if let Some(unexpected) = message.keys().next() {
            let why =
                format!("Additional properties are not allowed ('{unexpected}' was unexpected)");
            return complain(INVALID_REQUEST, &why);
        }
        self.control.go_on();
        let (key, shown) = login::key_of(&self.control, &method, &params);
        let connection = self.number;
        let fault = self.control.change(|world, _| {
            world.records.calls.push(CallSeen {
                method: method.clone(),
                params: shown,
                key,
                connection,
            });
            world.faults.of_call(&method)
        });
        Heard::Call(Call {
            id,
            method,
            params,
            fault,
        })
    }

    /// Makes a call, and has its answer when it is due. `None` if it is not to be answered.
    pub(super) async fn answer(&self, call: Call) -> Option<Out> {
        let Call {
            id,
            method,
            params,
            fault,
        } = call;
        let truncated = matches!(fault, Some(RpcFault::Truncated));
        let result = match fault {
            Some(RpcFault::Cut) => Err(Out::Break),
            Some(RpcFault::Silence) => return None,
            Some(RpcFault::Error(error)) => Ok(Err(error)),
            Some(RpcFault::Result(result)) => Ok(Ok(result)),
            Some(RpcFault::Truncated) | None => Ok(self.make(&method, &params).await),
        };
        let out = match result {
            Err(out) => out,
            Ok(result) => {
                let mut answer = match result {
                    Ok(result) => json!({ "jsonrpc": "2.0", "result": result, "id": id }),
                    Err(error) => json!({ "jsonrpc": "2.0", "error": error, "id": id }),
                }
                .to_string();
                if truncated {
                    answer = answer.chars().take(answer.len() / 2).collect();
                }
                Out::Text(answer)
            }
        };
        let delay = self.control.look(|world, _| world.faults.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        Some(out)
    }

    async fn make(&self, method: &str, params: &[Value]) -> Result<Value, Value> {
        if !methods::exists(self.control.version(), method) {
            return Err(rpc_error(METHOD_NOT_FOUND, None));
        }
        if self.taken.fetch_add(1, Ordering::SeqCst) >= CALLS_IN_ALL {
            self.taken.fetch_sub(1, Ordering::SeqCst);
            return Err(rpc_error(TOO_MANY_CONCURRENT_CALLS, None));
        }
        let slot = self.slots.acquire().await;
        let result = self.work(method, params).await;
        drop(slot);
        self.taken.fetch_sub(1, Ordering::SeqCst);
        result.map_err(|refusal| refusal.rpc())
    }

    async fn work(&self, method: &str, params: &[Value]) -> Result<Value, Refusal> {
        let begin = Instant::now();
        loop {
            // Looked at again and again, since it may change its mind.
            let work = self.control.look(|world, _| world.faults.work);
            let rest = work.saturating_sub(begin.elapsed());
            if rest.is_zero() {
                break;
            }
            tokio::time::sleep(rest.min(LOOK_EVERY)).await;
        }
        match methods::call(self, method, params)? {
            Outcome::Now(result) => Ok(result),
            Outcome::RefusedAfter(pause, refusal) => {
                tokio::time::sleep(pause).await;
                Err(refusal)
            }
            Outcome::Job(job) => {
                if self.state().waits_for_jobs {
                    self.end_of(&job).await
                } else {
                    Ok(job)
                }
            }
        }
    }

    /// Waits for the end of a job, and has its result.
    async fn end_of(&self, id: &Value) -> Result<Value, Refusal> {
        let mut news = self.control.news();
        loop {
            news.borrow_and_update();
            let ended = self.control.look(|world, _| {
                let job = world.jobs.iter().find(|job| json!(job.id) == *id);
                // One that a restart has swept away has no end that anybody knows.
                job.map(|job| job.finished.map(|_| job.error.clone()))
            });
            match ended {
                Some(Some(None)) => return Ok(Value::Null),
                Some(Some(Some(error))) => return Err(Refusal::Internal(error)),
                None => return Err(Refusal::Internal("Job not found".to_owned())),
                Some(None) => {
                    if news.changed().await.is_err() {
                        return Err(Refusal::Internal("Job not found".to_owned()));
                    }
                }
            }
        }
    }
}

fn close(code: u16, reason: &str) -> Heard {
    Heard::Reply(Out::Close(code, reason.to_owned()))
}

/// An answer to something that has no number that it could be an answer to.
fn complain(code: i64, message: &str) -> Heard {
    let mut error = rpc_error(code, None);
    error["message"] = json!(message);
    let answer = json!({ "jsonrpc": "2.0", "error": error, "id": null });
    Heard::Reply(Out::Text(answer.to_string()))
}
