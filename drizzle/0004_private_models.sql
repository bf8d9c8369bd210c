CREATE TABLE "model_access" (
	"model_id" "bytea" NOT NULL,
	"tenant_id" uuid NOT NULL,
	CONSTRAINT "model_access_model_id_tenant_id_pk" PRIMARY KEY("model_id","tenant_id")
);
--> statement-breakpoint
CREATE TABLE "model_uploads" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"model_id" "bytea" NOT NULL,
	"manifest" text NOT NULL,
	"broker" text NOT NULL,
	"bytes" bigint NOT NULL,
	"sha256" "bytea" NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "uploaded_models" (
	"model_id" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"bytes" bigint NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "model_uploads_tenant" ON "model_uploads" USING btree ("tenant_id");--> statement-breakpoint
CREATE INDEX "uploaded_models_tenant" ON "uploaded_models" USING btree ("tenant_id");