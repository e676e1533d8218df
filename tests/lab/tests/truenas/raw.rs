//! Clients that know nothing of TrueNAS: for the simulator's own manners.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use lab::truenas::Simulator;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long anything may take that ought to happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Waits for something that has to happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, happens)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}

/// An HTTP client that trusts this NAS and follows no redirect.
pub(crate) fn http(nas: &Simulator) -> reqwest::Client {
    let certificate = reqwest::Certificate::from_pem(nas.certificate_pem().as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([certificate])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

/// Asks REST.
pub(crate) async fn get(nas: &Simulator, path: &str) -> (u16, Value) {
    ask(nas, reqwest::Method::GET, path, None).await
}

/// Tells REST to do something.
pub(crate) async fn post(nas: &Simulator, path: &str, body: Value) -> (u16, Value) {
    ask(nas, reqwest::Method::POST, path, Some(body)).await
}

/// Any request to REST.
pub(crate) async fn ask(
    nas: &Simulator,
    method: reqwest::Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let url = format!("{}api/v2.0/{path}", nas.url());
    let mut request = http(nas).request(method, url).bearer_auth(nas.api_key());
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(json!(text)))
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection for JSON-RPC.
pub(crate) struct Rpc {
    socket: WebSocketStream<Box<dyn Stream>>,
    calls: u64,
    /// Notifications that came while an answer was waited for.
    pub(crate) notices: Vec<Value>,
}

impl Rpc {
    /// Connects through TLS.
    pub(crate) async fn connect(nas: &Simulator) -> Self {
        Self::connect_to(nas, "/api/current").await.unwrap()
    }

    /// Connects to some path through TLS.
    pub(crate) async fn connect_to(nas: &Simulator, path: &str) -> Result<Self, Error> {
        let mut roots = rustls::RootCertStore::empty();
        let pem = nas.certificate_pem();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(nas.address()).await?;
        let name = ServerName::from(nas.address().ip());
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await?;
        Self::open(Box::new(stream), &format!("wss://{}{path}", nas.address())).await
    }

    /// Connects without encryption.
    pub(crate) async fn connect_in_clear(address: std::net::SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/api/current");
        Self::open(Box::new(tcp), &url).await.unwrap()
    }

    async fn open(stream: Box<dyn Stream>, url: &str) -> Result<Self, Error> {
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        Ok(Self {
            socket,
            calls: 0,
            notices: Vec::new(),
        })
    }

    /// Connects, and logs in.
    pub(crate) async fn log_in(nas: &Simulator) -> Self {
        let mut rpc = Self::connect(nas).await;
        let answer = rpc.login(&nas.username(), &nas.api_key()).await.unwrap();
        assert_eq!(answer["response_type"], "SUCCESS");
        rpc
    }

    /// Logs in with a name and a key.
    pub(crate) async fn login(&mut self, username: &str, key: &str) -> Result<Value, Value> {
        let data = json!({ "mechanism": "API_KEY_PLAIN", "username": username, "api_key": key });
        self.call("auth.login_ex", json!([data])).await
    }

    /// Calls a method: its result, or its error.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.start(method, params).await;
        self.answer_to(id).await
    }

    /// Calls a method that has to succeed.
    pub(crate) async fn get(&mut self, method: &str, params: Value) -> Value {
        let result = self.call(method, params).await;
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method, and does not wait for the answer.
    pub(crate) async fn start(&mut self, method: &str, params: Value) -> u64 {
        self.calls += 1;
        let message = json!({
            "jsonrpc": "2.0", "id": self.calls, "method": method, "params": params,
        });
        self.say(&message.to_string()).await;
        self.calls
    }

    /// Waits for the answer to a call that was started.
    pub(crate) async fn answer_to(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            let mut message = self.hear().await;
            if message.get("id").is_none() {
                self.notices.push(message["params"].take());
                continue;
            }
            assert_eq!(message["id"], id, "{message}");
            return match message.get_mut("error") {
                Some(error) => Err(error.take()),
                None => Ok(message["result"].take()),
            };
        }
    }

    /// Sends a text as it is.
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends anything.
    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Waits for the next text, which is JSON.
    pub(crate) async fn hear(&mut self) -> Value {
        match self.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// Waits for whatever comes next.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, Error>> {
        soon("a message", self.socket.next()).await
    }

    /// Waits for the end of the connection, and has the code with which it was closed.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Waits for a notification that is the right one.
    pub(crate) async fn notice(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        // What came before it is of no interest any more.
        if let Some(place) = self.notices.iter().position(&is) {
            return self.notices.drain(..=place).next_back().unwrap();
        }
        self.notices.clear();
        let looking = async {
            loop {
                let mut message = self.hear().await;
                assert_eq!(message["method"], "collection_update", "{message}");
                let notice = message["params"].take();
                if is(&notice) {
                    return notice;
                }
            }
        };
        soon(what, looking).await
    }
}
