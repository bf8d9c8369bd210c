//! `ohttp-interop BASE_URL API_KEY PATH < body`: posts the body through the gateway, twice: as a message of known length
//! and as one of indeterminate length; then a request without its key, and a request that was sent before.

use std::error::Error;
use std::io::{Cursor, Read};

use bhttp::{Message, Mode, StatusCode};
use ohttp::ClientRequest;

type Outcome<T> = Result<T, Box<dyn Error>>;

const LIMIT: u64 = 16 << 20;

struct Gateway {
    url: String,
    keys: Vec<u8>,
}

impl Gateway {
    fn open(base: &str) -> Outcome<Self> {
        let url = format!("{base}/.well-known/ohttp-gateway");
        let response = ureq::get(&url).call()?;
        expect(response.content_type() == "application/ohttp-keys", "the keys have their media type")?;
        let mut keys = Vec::new();
        response.into_reader().take(LIMIT).read_to_end(&mut keys)?;
        Ok(Self { url, keys })
    }

    fn send(&self, sealed: &[u8]) -> Result<ureq::Response, Box<ureq::Error>> {
        let request = ureq::post(&self.url).set("Content-Type", "message/ohttp-req");
        request.send_bytes(sealed).map_err(Box::new)
    }

    fn exchange(&self, request: &Message, mode: Mode) -> Outcome<(Message, Vec<u8>)> {
        let mut plain = Vec::new();
        request.write_bhttp(mode, &mut plain)?;
        let (sealed, opener) = ClientRequest::from_encoded_config_list(&self.keys)?.encapsulate(&plain)?;
        let response = self.send(&sealed)?;
        expect(response.content_type() == "message/ohttp-res", "the answer has its media type")?;
        let mut bytes = Vec::new();
        response.into_reader().take(LIMIT).read_to_end(&mut bytes)?;
        let opened = opener.decapsulate(&bytes)?;
        Ok((Message::read_bhttp(&mut Cursor::new(opened))?, sealed))
    }
}

fn request(path: &str, key: Option<&str>, body: &[u8]) -> Message {
    let mut message = Message::request(b"POST".to_vec(), b"https".to_vec(), b"service.example".to_vec(), path.into());
    if let Some(key) = key {
        message.put_header("authorization", format!("Bearer {key}"));
    }
    message.put_header("content-type", "application/json");
    message.write_content(body);
    message
}

fn status(message: &Message) -> Option<StatusCode> {
    message.control().status()
}

fn expect(holds: bool, what: &str) -> Outcome<()> {
    if holds {
        Ok(())
    } else {
        Err(what.into())
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, base, key, path] = arguments.as_slice() else {
        return Err("usage: ohttp-interop BASE_URL API_KEY PATH < body".into());
    };
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let gateway = Gateway::open(base)?;
    let mut sent = Vec::new();
    for mode in [Mode::KnownLength, Mode::IndeterminateLength] {
        let (answer, sealed) = gateway.exchange(&request(path, Some(key), &body), mode)?;
        expect(status(&answer).is_some_and(|code| code.code() == 200), "an inference is answered")?;
        expect(answer.header().get(b"affidavit-receipt").is_some(), "the answer has its receipt")?;
        expect(answer.header().get(b"affidavit-salt").is_some(), "the answer has its salt")?;
        expect(!answer.content().is_empty(), "the answer has a body")?;
        sent = sealed;
    }
    let (refused, _) = gateway.exchange(&request(path, None, &body), Mode::KnownLength)?;
    expect(status(&refused).is_some_and(|code| code.code() == 401), "a request without a key is refused inside")?;
    match gateway.send(&sent) {
        Err(error) => match *error {
            ureq::Error::Status(409, _) => {}
            other => return Err(other.into()),
        },
        Ok(_) => return Err("a request is answered twice".into()),
    }
    println!("ohttp: 2 inferences answered, a nameless and a repeated request refused");
    Ok(())
}
