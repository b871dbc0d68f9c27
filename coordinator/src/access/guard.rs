//! The outermost layer: every call of every service passes here, or is refused here.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use tokio::time::timeout;
use tonic::{Code, Status, body::Body, codegen::http};
use tower::{Layer, Service};

use super::{Access, Caller, gate::Gate, policy};

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
pub(crate) struct About(Arc<OnceLock<String>>);

impl About {
    /// Notes what a call is about; only the first word counts.
    pub(crate) fn note(request: &tonic::Extensions, what: impl Into<String>) {
        if let Some(about) = request.get::<Self>() {
            let _ = about.0.set(what.into().chars().take(200).collect());
        }
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
    let Ok(answer) = timeout(rule.time, inner.call(request)).await else {
        record(access, &gate, (rule, &caller), (&about, "deadline exceeded".to_owned()));
        return Status::deadline_exceeded(format!("the call took longer than {:?}", rule.time)).into_http();
    };
    let Ok(response) = answer;
    record(access, &gate, (rule, &caller), (&about, outcome(&response)));
    response
}

fn record(
    access: &Access,
    gate: &Gate,
    (rule, caller): (&policy::Rule, &Caller),
    (about, outcome): (&About, String),
) {
    if rule.audited {
        let about = about.0.get().cloned().unwrap_or_default();
        access.record(caller, gate.peer, rule.path, (about, outcome));
    }
}

/// How a call ended: a refusal has its code in the headers, and no body behind them.
fn outcome(response: &http::Response<Body>) -> String {
    match Status::from_header_map(response.headers()).map(|status| status.code()) {
        None | Some(Code::Ok) => "ok".to_owned(),
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
