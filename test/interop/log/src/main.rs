//! `log-interop BASE_URL VERIFIER_KEY < proofs`: verifies checkpoints, tiles, entries and inclusion proofs of a running
//! service with `signed_note`, `tlog_tiles` and `ct-merkle`. Standard input: the earlier checkpoint and proof texts
//! (c2sp.org/tlog-proof), each ended by a line of one full stop.

use std::error::Error;
use std::io::Read;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    check_record, check_tree, prove_record, prove_tree, record_hash, stored_hash_index, tree_hash,
    Checkpoint, Error as TlogError, HashReader, Tile, TileHashReader, TileReader,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const WIDTH: u64 = 256;

struct Service {
    base: String,
}

impl Service {
    fn get(&self, path: &str) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        let response = ureq::get(&format!("{}/log/{path}", self.base)).call()?;
        response.into_reader().take(1 << 20).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The crate's paths name the tile height, which c2sp.org/tlog-tiles leaves out.
fn path_of(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

impl TileReader for Service {
    fn height(&self) -> u8 {
        8
    }
    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        let read = |tile: &Tile| self.get(&path_of(tile)).map_err(|_| TlogError::IndexesNotInTree);
        tiles.iter().map(read).collect()
    }
    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn open_checkpoint(note: &[u8], key: &str) -> Outcome<Checkpoint> {
    let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(key)?)]);
    let note = Note::from_bytes(note)?;
    let (verified, _) = note.verify(&verifiers)?;
    if verified.is_empty() {
        return Err("nobody we know signed the checkpoint".into());
    }
    Checkpoint::from_bytes(note.text()).map_err(|_| "the checkpoint is malformed".into())
}

fn entries_of(service: &Service, size: u64) -> Outcome<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while (entries.len() as u64) < size {
        let first = entries.len() as u64;
        let width = (size - first).min(WIDTH) as u32;
        let mut tile = Tile::new(8, 0, first / WIDTH, width, true);
        tile.set_is_data();
        let bundle = service.get(&path_of(&tile).replacen("/data/", "/entries/", 1))?;
        let mut rest = &bundle[..];
        for _ in 0..width {
            let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            entries.push(rest[2..2 + length].to_vec());
            rest = &rest[2 + length..];
        }
        if !rest.is_empty() {
            return Err("a bundle has more than its width".into());
        }
    }
    Ok(entries)
}

/// A proof text, by its specification; its hashes are judged by ct-merkle.
fn check_proof(text: &str, key: &str, entries: &[Vec<u8>]) -> Outcome<()> {
    let (head, note) = text.split_once("\n\n").ok_or("no checkpoint in the proof")?;
    let mut lines = head.lines();
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err("not a tlog-proof".into());
    }
    let index: u64 = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or("no index")?.parse()?;
    let hashes: Vec<u8> = lines
        .map(tlog_tiles::Hash::parse_hash)
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .flat_map(|hash| hash.0)
        .collect();
    let checkpoint = open_checkpoint(note.as_bytes(), key)?;
    let root = RootHash::<Sha256>::new(checkpoint.hash().0.into(), checkpoint.size());
    let proof = InclusionProof::try_from_bytes(hashes).map_err(|_| "malformed proof")?;
    root.verify_inclusion(&entries[index as usize], index, &proof).map_err(|_| "the proof does not hold")?;
    let other = &entries[(index as usize + 1) % entries.len()];
    if root.verify_inclusion(other, index, &proof).is_ok() {
        return Err("the proof holds for another leaf".into());
    }
    Ok(())
}

fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, base, key] = &arguments[..] else { return Err("usage: log-interop BASE_URL VERIFIER_KEY".into()) };
    let service = Service { base: base.clone() };
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let mut texts = input.split_inclusive("\n.\n").map(|text| text.trim_end_matches(".\n"));
    let earlier = open_checkpoint(texts.next().ok_or("no earlier checkpoint")?.as_bytes(), key)?;

    let checkpoint = open_checkpoint(&service.get("checkpoint")?, key)?;
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    let reader = TileHashReader::new(size, root, &service);
    if tree_hash(size, &reader)?.0 != root.0 {
        return Err("the tiles have another root than the checkpoint".into());
    }
    println!("signed_note, tlog_tiles: a signed checkpoint of {size} leaves, and tiles of its root");

    let entries = entries_of(&service, size)?;
    let indexes: Vec<u64> = (0..size).map(|n| stored_hash_index(0, n)).collect();
    for (n, hash) in reader.read_hashes(&indexes)?.iter().enumerate() {
        if record_hash(&entries[n]).0 != hash.0 {
            return Err(format!("entry {n} is not in the tiles").into());
        }
    }
    for n in (0..size).step_by(37).chain([size - 1]) {
        let proof = prove_record(size, n, &reader)?;
        check_record(&proof, size, root, n, record_hash(&entries[n as usize]))?;
    }
    let proof = prove_tree(size, earlier.size(), &reader)?;
    check_tree(&proof, size, root, earlier.size(), *earlier.hash())?;
    println!("tlog_tiles: {size} entries in the tiles, consistent with the checkpoint of {} leaves", earlier.size());

    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    entries.iter().for_each(|entry| tree.push(entry.clone()));
    if tree.root().as_bytes()[..] != root.0[..] {
        return Err("ct-merkle has another root".into());
    }
    let mut proofs = 0;
    for text in texts.filter(|text| !text.is_empty()) {
        check_proof(text, key, &entries)?;
        proofs += 1;
    }
    if proofs == 0 {
        return Err("no proof was given".into());
    }
    println!("ct-merkle: the same root, and {proofs} inclusion proofs as the service gave them");
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("log-interop: {error}");
        std::process::exit(1);
    }
}
