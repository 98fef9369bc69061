// core.v3.GrpcService: whom the host itself calls by gRPC.
import { readFileSync } from "node:fs";
import type { ConfigReader, GrpcService, GrpcTls } from "../../config/extension.ts";

export function parseGrpcService(reader: ConfigReader): GrpcService | undefined {
  // A stream lives as long as it can; a deadline for it would only end it.
  reader.ignore("timeout");
  if (reader.has("retry_policy")) reader.refuse("retry_policy", "not implemented: streams are opened again with a back-off of their own");
  const target = parseTarget(reader);
  const initialMetadata = reader.messages("initial_metadata").map((header): readonly [string, string] => {
    if (header.has("raw_value")) header.refuse("raw_value", "not implemented: give value");
    return [header.text("key").toLowerCase(), header.text("value")];
  });
  return target === undefined ? undefined : { target, initialMetadata };
}

function parseTarget(reader: ConfigReader): GrpcService["target"] | undefined {
  const envoy = reader.message("envoy_grpc");
  if (envoy !== undefined) {
    envoy.ignore("skip_envoy_headers");
    if (envoy.has("retry_policy")) envoy.refuse("retry_policy", "not implemented: streams are opened again with a back-off of their own");
    return {
      kind: "envoy_grpc",
      clusterName: envoy.text("cluster_name"),
      authority: envoy.text("authority"),
      maxReceiveBytes: envoy.optionalNumber("max_receive_message_length"),
    };
  }
  const google = reader.message("google_grpc");
  if (google === undefined) return undefined;
  // A name for the stats of the gRPC library, which this host does not keep.
  google.ignore("stat_prefix");
  for (const field of ["call_credentials", "credentials_factory_name", "config", "per_stream_buffer_limit_bytes", "channel_args"])
    if (google.has(field)) google.refuse(field, "not implemented");
  const credentials = google.message("channel_credentials");
  if (credentials !== undefined && credentials.which("credential_specifier") !== "ssl_credentials")
    credentials.refuse(credentials.which("credential_specifier") ?? "", "not implemented: give ssl_credentials");
  const ssl = credentials?.message("ssl_credentials");
  return { kind: "google_grpc", targetUri: google.text("target_uri"), tls: ssl === undefined ? undefined : parseTls(ssl) };
}

function parseTls(reader: ConfigReader): GrpcTls {
  return { rootCerts: pem(reader, "root_certs"), privateKey: pem(reader, "private_key"), certChain: pem(reader, "cert_chain") };
}

function pem(reader: ConfigReader, field: string): string | undefined {
  const source = reader.message(field);
  if (source === undefined) return undefined;
  const filename = source.optionalText("filename");
  if (filename === undefined) return source.optionalText("inline_string") ?? Buffer.from(source.bytes("inline_bytes") ?? []).toString();
  try {
    return readFileSync(filename, "utf8");
  } catch (error) {
    source.refuse("filename", `unable to read file: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
