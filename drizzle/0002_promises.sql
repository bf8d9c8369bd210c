CREATE TABLE "promises" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"account_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"subject" "bytea" NOT NULL,
	"circuit_id" "bytea",
	"commitment" "bytea",
	"state" text NOT NULL,
	"stage" text,
	"code" text,
	"outcome" "bytea",
	"sealed_proof" "bytea",
	"deadline_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "promises_subject" ON "promises" USING btree ("subject");--> statement-breakpoint
CREATE INDEX "promises_due" ON "promises" USING btree ("deadline_at") WHERE outcome IS NULL;--> statement-breakpoint
CREATE INDEX "promises_tenant_open" ON "promises" USING btree ("tenant_id") WHERE state IN ('waiting', 'running');