CREATE TABLE "ledger_accounts" (
	"account" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"head" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ledger_blobs" (
	"digest" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"bytes" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ledger_entries" (
	"account" "bytea" NOT NULL,
	"sequence" bigint NOT NULL,
	"tenant_id" uuid NOT NULL,
	"digest" "bytea" NOT NULL,
	"opening" "bytea",
	"operand" text NOT NULL,
	"mac" "bytea" NOT NULL,
	CONSTRAINT "ledger_entries_account_sequence_pk" PRIMARY KEY("account","sequence")
);
--> statement-breakpoint
CREATE TABLE "ledger_operations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"account" "bytea" NOT NULL,
	"operation" text NOT NULL,
	"state" text NOT NULL,
	"code" text,
	"sequence" bigint,
	"sufficient" boolean,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "ledger_pending" (
	"account" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"words" "bytea" NOT NULL,
	"operand" text NOT NULL,
	"operation_id" uuid
);
--> statement-breakpoint
CREATE TABLE "ledger_supply" (
	"id" smallint PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"issued" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ledger_used" (
	"name" text PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL
);
