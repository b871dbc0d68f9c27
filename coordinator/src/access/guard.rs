//! The outermost layer: every call of every service passes here, or is refused here.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::time::timeout;
use tonic::{Code, Status, body::Body, codegen::http};
use tower::{Layer, Service};

use super::{Access, Caller, audit, gate::Gate, lock, policy::Rule};

/// The outcome of a call whose caller did not wait for it.
const GONE: &str = "caller gone";

/// Most characters of what a call is about.
const MAX_ABOUT_CHARS: usize = 200;

/// Lets nobody through but whom the access allows.
#[derive(Debug, Clone)]
pub struct GuardLayer(pub(crate) Arc<Access>);

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { access: Arc::clone(&self.0), inner }
    }
}

/// The layer around the services.
#[derive(Debug, Clone)]
pub struct Guard<S> {
    access: Arc<Access>,
    inner: S,
}

/// What a call is about, filled in by whoever finds it out, for the audit log.
#[derive(Debug, Clone, Default)]
pub(crate) struct About(Arc<Mutex<String>>);

impl About {
    /// Where to note what a call is about that is found out later.
    pub(crate) fn of(request: &tonic::Extensions) -> Self {
        request.get::<Self>().cloned().unwrap_or_default()
    }

    /// Notes what a call is about; the last word counts.
    pub(crate) fn note(request: &tonic::Extensions, what: impl AsRef<str>) {
        Self::of(request).is(what);
    }

    /// The same, for whoever has the place alone.
    pub(crate) fn is(&self, what: impl AsRef<str>) {
        let harmless = what.as_ref().chars().filter(|c| !c.is_control());
        *lock(&self.0) = harmless.take(MAX_ABOUT_CHARS).collect();
    }
}

/// A call that was allowed. What became of it is in the audit log in any case: also where nobody waits for its end, and
/// it is dropped.
struct Act<'a> {
    access: &'a Access,
    gate: &'a Gate,
    rule: &'a Rule,
    caller: &'a Caller,
    about: About,
    outcome: String,
}

impl Drop for Act<'_> {
    fn drop(&mut self) {
        let about = lock(&self.about.0).clone();
        let outcome = std::mem::take(&mut self.outcome);
        self.access.record(self.caller, self.gate.peer, self.rule, (about, outcome));
    }
}

impl<S> Service<http::Request<Body>> for Guard<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        // The one that was found ready.
        let inner = std::mem::replace(&mut self.inner, clone);
        let access = Arc::clone(&self.access);
        Box::pin(async move { Ok(pass(&access, inner, request).await) })
    }
}

async fn pass<S>(access: &Access, mut inner: S, mut request: http::Request<Body>) -> http::Response<Body>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
{
    let Some(gate) = request.extensions().get::<Arc<Gate>>().cloned() else {
        return Status::internal("a connection without a gate").into_http();
    };
    let path = request.uri().path().to_owned();
    let (rule, caller) = match access.admit(&gate, &path, request.headers()) {
        Ok(admitted) => admitted,
        Err(refused) => return refused.into_http(),
    };
    let about = About::default();
    request.extensions_mut().insert(about.clone());
    request.extensions_mut().insert(caller.clone());
    let mut act = Act { access, gate: &gate, rule, caller: &caller, about, outcome: GONE.to_owned() };
    let Ok(answer) = timeout(rule.time, inner.call(request)).await else {
        act.outcome = code_name(Code::DeadlineExceeded);
        return Status::deadline_exceeded(format!("the call took longer than {:?}", rule.time)).into_http();
    };
    let Ok(response) = answer;
    act.outcome = outcome(&response);
    response
}

/// How a call ended: a refusal has its code in the headers, and no body behind them.
fn outcome(response: &http::Response<Body>) -> String {
    match Status::from_header_map(response.headers()).map(|status| status.code()) {
        None | Some(Code::Ok) => audit::OK.to_owned(),
        Some(code) => code_name(code),
    }
}

/// A code in lower case and words, as `permission denied`.
pub(crate) fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push(' ');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
