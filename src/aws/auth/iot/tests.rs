use super::*;
use crate::aws::testing::{Ca, Fake, Proxy, SECRET, TOKEN, assert_no_secret, closed, json, printed, reply};
use aws_types::os_shim_internal::Env;
use tempfile::TempDir;

const GOOD: &str = r#"{"credentials":{"accessKeyId":"AKIDIOT","secretAccessKey":"seKretAccessKeyOfTheTests",
    "sessionToken":"seKretSessionTokenOfTheTests","expiration":"2096-10-02T07:06:40Z"}}"#;

/// A device with its certificate, its key and the CA bundle that it believes, on disk.
struct Device {
    folder: TempDir,
    settings: settings::Iot,
}

impl Device {
    fn new(url: &str, believes: &Ca, of: &Ca) -> Self {
        let folder = TempDir::new().expect("temporary");
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(folder.path().join("ca.pem"), &believes.pem).expect("writable");
        let settings = settings::Iot {
            url: url.to_owned(),
            role_alias: "alias".to_owned(),
            thing_name: "thing-1".to_owned(),
            certificate: Certificate::Pair { certificate, key },
        };
        let device = Self { folder, settings };
        device.enroll(of);
        device
    }

    fn enroll(&self, ca: &Ca) {
        let (certificate, key) = ca.leaf();
        self.write("cert.pem", &certificate);
        self.write("key.pem", &key);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("writable");
    }

    fn iot(&self, env: &[(&str, &str)]) -> Iot {
        let trust = Trust::find(Some(&self.folder.path().join("ca.pem")), &Env::from_slice(&[])).expect("a bundle");
        let proxies = Proxies::find(&Env::from_slice(env)).expect("proxies");
        Iot::new(&self.settings, trust, proxies).expect("good settings")
    }

    async fn refusal(&self) -> (SignInError, String) {
        let error = self.iot(&[]).fetch().await.expect_err("refused");
        let text = printed(&error);
        assert_no_secret(&text);
        (error, text)
    }
}

#[tokio::test]
async fn the_device_certificate_leads_to_credentials() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let fake = Fake::tls(&servers, Some(&devices), |_| json(200, GOOD)).await;
    for url in [fake.url.clone(), fake.url.replace("https://", ""), format!("{}/", fake.url)] {
        let device = Device::new(&url, &servers, &devices);
        let credentials = device.iot(&[]).fetch().await.expect("signed in");
        assert_eq!(credentials.access_key_id(), "AKIDIOT");
        assert_eq!(credentials.secret_access_key(), SECRET);
        assert_eq!(credentials.session_token(), Some(TOKEN));
        assert!(credentials.expiry().is_some());
    }
    let request = &fake.seen()[0];
    assert_eq!(request.path, "/role-aliases/alias/credentials");
    assert_eq!(request.header(THING), "thing-1");
}

#[tokio::test]
async fn a_server_of_another_ca_is_not_asked_and_the_error_says_where_a_ca_belongs() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let fake = Fake::tls(&servers, Some(&devices), |_| json(200, GOOD)).await;
    let (error, text) = Device::new(&fake.url, &Ca::new(), &devices).refusal().await;
    assert!(error.passes());
    assert!(text.contains("UnknownIssuer") && text.contains("agent.ca_bundle"), "{text}");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_certificate_that_the_server_does_not_take_is_named() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let fake = Fake::tls(&servers, Some(&devices), |_| json(200, GOOD)).await;
    let device = Device::new(&fake.url, &servers, &Ca::new());
    let (_, text) = device.refusal().await;
    assert!(text.contains("cert.pem") && text.contains("register and activate"), "{text}");
    assert!(fake.seen().is_empty());
    // Replacing the files is enough: they are read at each login.
    let iot = device.iot(&[]);
    device.enroll(&devices);
    iot.fetch().await.expect("signed in");
}

#[tokio::test]
async fn a_bundle_of_certificate_and_key_in_one_file_serves_too() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let fake = Fake::tls(&servers, Some(&devices), |_| json(200, GOOD)).await;
    let mut device = Device::new(&fake.url, &servers, &devices);
    let (certificate, key) = devices.leaf();
    device.write("both.pem", &format!("{key}{certificate}"));
    device.settings.certificate = Certificate::Bundle(device.folder.path().join("both.pem"));
    device.iot(&[]).fetch().await.expect("signed in");
}

#[tokio::test]
async fn the_proxy_is_used_with_its_password() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let fake = Fake::tls(&servers, Some(&devices), |_| json(200, GOOD)).await;
    let proxy = Proxy::start().await;
    let url = format!("http://user:pass@{}", proxy.address);
    let device = Device::new(&fake.url, &servers, &devices);
    device.iot(&[("https_proxy", &url)]).fetch().await.expect("signed in");
    let connects = proxy.seen();
    assert!(connects[0].starts_with("CONNECT localhost:"), "{connects:?}");
    assert!(connects[0].to_lowercase().contains("proxy-authorization: basic dxnlcjpwyxnz"), "{connects:?}");
    device.iot(&[("https_proxy", &url), ("no_proxy", "localhost")]).fetch().await.expect("signed in");
    assert_eq!(proxy.seen().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named_with_its_key_and_so_is_a_proxy() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let (closed, _held) = closed();
    let device = Device::new(&closed, &servers, &devices);
    let (_, text) = device.refusal().await;
    assert!(text.contains(&format!("refused by {closed}; check agent.authentication.iotUrl, ")), "{text}");
    let url = format!("http://user:pass@{closed}");
    let error = Device::new("host.invalid", &servers, &devices).iot(&[("HTTPS_PROXY", &url)]).fetch().await;
    let text = printed(&error.expect_err("no proxy"));
    assert!(text.contains(&format!("the proxy {closed} could not be reached: it refused the connection")), "{text}");
    assert!(!text.contains("pass@") && !text.contains("user:"), "{text}");
}

#[tokio::test]
async fn a_refusal_is_shown_shortly_with_what_to_do() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let long = "x".repeat(5000);
    let fake =
        Fake::tls(&servers, Some(&devices), move |_| json(403, &format!("{{\"message\":\"Access\nDenied\"}} {long}")))
            .await;
    let (error, text) = Device::new(&fake.url, &servers, &devices).refusal().await;
    assert!(!error.passes());
    assert!(text.contains("HTTP 403") && text.contains("Access Denied") && text.contains("thing-1"), "{text}");
    assert!(text.len() < 1500, "{}", text.len());
}

#[tokio::test]
async fn an_answer_without_usable_credentials_is_refused_without_repeating_it() {
    let (servers, devices) = (Ca::new(), Ca::new());
    for body in [
        GOOD.replace("2096-10-02T07:06:40Z", "soon"),
        GOOD.replace("\"sessionToken\":", "\"other\":"),
        GOOD.replace("AKIDIOT", ""),
        format!("{{\"credentials\":\"{SECRET}\"}}"),
        "<html>".to_owned(),
    ] {
        let fake = Fake::tls(&servers, Some(&devices), move |_| reply(200, "application/json", body.clone())).await;
        let (error, text) = Device::new(&fake.url, &servers, &devices).refusal().await;
        assert!(matches!(error, SignInError::Unusable { .. }), "{text}");
        assert!(text.contains("without usable credentials"), "{text}");
    }
}

#[tokio::test]
async fn bad_files_are_named_with_what_is_wrong_and_never_shown() {
    let (servers, devices) = (Ca::new(), Ca::new());
    let device = Device::new("localhost:1", &servers, &devices);
    let secret = "-----BEGIN PRIVATE KEY-----\nseKretAccessKeyOfTheTests\n";
    let other_key = Ca::new().leaf().1;
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (key, why) in [
        (secret, "no PEM private key"),
        ("", "no PEM private key"),
        (locked, "passphrase"),
        (&other_key, "key of the certificate"),
    ] {
        device.write("key.pem", key);
        let (_, text) = device.refusal().await;
        assert!(text.contains("key.pem") && text.contains(why), "{text}");
    }
    device.write("cert.pem", "nothing");
    let (_, text) = device.refusal().await;
    assert!(text.contains("cert.pem holds no certificate"), "{text}");
    std::fs::remove_file(device.folder.path().join("cert.pem")).expect("there");
    let (_, text) = device.refusal().await;
    assert!(text.contains("cannot read") && text.contains("cert.pem"), "{text}");
}

#[test]
fn settings_that_make_no_url_or_header_are_refused_at_once() {
    let good = settings::Iot {
        url: "host".to_owned(),
        role_alias: "alias".to_owned(),
        thing_name: "thing".to_owned(),
        certificate: Certificate::Bundle("both.pem".into()),
    };
    let refused =
        |settings: settings::Iot| Iot::new(&settings, Trust::System, Proxies::default()).err().map(|e| e.to_string());
    assert_eq!(refused(good.clone()), None);
    for settings in [
        settings::Iot { url: "a b".to_owned(), ..good.clone() },
        settings::Iot { url: String::new(), ..good.clone() },
        settings::Iot { role_alias: "a b".to_owned(), ..good.clone() },
        settings::Iot { thing_name: "a\nb".to_owned(), ..good.clone() },
    ] {
        let text = refused(settings).expect("refused");
        assert!(text.ends_with("in agent.authentication"), "{text}");
    }
}

#[test]
fn keys_of_all_three_kinds_are_read() {
    // Each made by openssl for this test; they protect nothing.
    for (pem, kind) in [
        (include_str!("keys/pkcs8.pem"), "Pkcs8"),
        (include_str!("keys/pkcs1.pem"), "Pkcs1"),
        (include_str!("keys/sec1.pem"), "Sec1"),
    ] {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
        let found = match key {
            PrivateKeyDer::Pkcs8(_) => "Pkcs8",
            PrivateKeyDer::Pkcs1(_) => "Pkcs1",
            PrivateKeyDer::Sec1(_) => "Sec1",
            _ => "another",
        };
        assert_eq!(found, kind);
        rustls::crypto::ring::sign::any_supported_type(&key).expect("ring signs with it");
    }
}
