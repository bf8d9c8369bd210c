CREATE TABLE "admin_log" (
	"index" bigserial PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"signer" text NOT NULL,
	"audience" text NOT NULL,
	"method" text NOT NULL,
	"path" text NOT NULL,
	"body" "bytea" NOT NULL,
	"nonce" "bytea" NOT NULL,
	"expires_at_ms" bigint NOT NULL,
	"signature" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "admin_nonces" (
	"nonce" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "directory_head" (
	"id" smallint PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "model_aliases" (
	"name" text PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"model_id" "bytea" NOT NULL,
	"moved_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "model_deprecations" (
	"model_id" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"deprecated_at" timestamp with time zone NOT NULL,
	"sunset_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "model_parts" (
	"upload_id" uuid NOT NULL,
	"start" bigint NOT NULL,
	"tenant_id" uuid NOT NULL,
	"bytes" "bytea" NOT NULL,
	CONSTRAINT "model_parts_upload_id_start_pk" PRIMARY KEY("upload_id","start")
);
--> statement-breakpoint
CREATE TABLE "tenant_buckets" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"tokens" double precision NOT NULL,
	"refilled_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tenant_months" (
	"tenant_id" uuid NOT NULL,
	"month" text NOT NULL,
	"leased" bigint NOT NULL,
	"answered" bigint NOT NULL,
	"refused" bigint NOT NULL,
	"input_bytes" bigint NOT NULL,
	"output_bytes" bigint NOT NULL,
	CONSTRAINT "tenant_months_tenant_id_month_pk" PRIMARY KEY("tenant_id","month")
);
--> statement-breakpoint
CREATE TABLE "tenant_places" (
	"tenant_id" uuid NOT NULL,
	"replica" uuid NOT NULL,
	"places" integer NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "tenant_places_tenant_id_replica_pk" PRIMARY KEY("tenant_id","replica")
);
--> statement-breakpoint
ALTER TABLE "model_uploads" ADD COLUMN "signature" text;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "suspended_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "every_model" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "requests_per_minute" integer;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "concurrency" integer;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "requests_per_month" bigint;--> statement-breakpoint
-- Uploads lay in one service's data directory: they are to be uploaded again.
DELETE FROM "model_access";--> statement-breakpoint
DELETE FROM "model_uploads";--> statement-breakpoint
DELETE FROM "uploaded_models";--> statement-breakpoint
ALTER TABLE "uploaded_models" ADD COLUMN "upload_id" uuid NOT NULL;--> statement-breakpoint
ALTER TABLE "uploaded_models" ADD COLUMN "broker" text NOT NULL;--> statement-breakpoint
ALTER TABLE "uploaded_models" ADD COLUMN "signature" text;--> statement-breakpoint
CREATE INDEX "admin_nonces_expiry" ON "admin_nonces" USING btree ("expires_at");--> statement-breakpoint
-- Tenants that are there keep what they had; new ones have no model until they are let in to it.
UPDATE "tenants" SET "every_model" = true;--> statement-breakpoint
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the administrators'' log is append-only';
END
$$;--> statement-breakpoint
CREATE TRIGGER "admin_log_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "admin_log"
	FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
