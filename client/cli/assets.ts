/** What post-processing needs beside a manifest, such as a dictionary: files of installed packages, by digest. */
import { readAssets as readPackageAssets, type Assets, type Manifest } from "../../models/index.ts";

export async function readAssets(manifest: Manifest): Promise<Assets> {
  return await readPackageAssets(manifest.processing);
}
