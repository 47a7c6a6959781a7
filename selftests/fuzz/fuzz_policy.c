// SPDX-License-Identifier: GPL-2.0
/*
 * The policy of a realm as a text, and single rules. What is understood is
 * written again, and read again as the same.
 */
#include "fuzz.h"

#include "../../server/policydoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct policy_doc doc, again;
	struct policy_rule rule;
	struct sotto_errmsg err;
	char *text, *out, *out2;

	fuzz_begin();
	text = fuzz_text(data, len);
	policy_rule_parse(&rule, text, &err);
	if (!policy_doc_parse(&doc, text, NULL, &err)) {
		out = policy_doc_text(&doc);
		MUST(out && !policy_doc_parse(&again, out, NULL, &err));
		out2 = policy_doc_text(&again);
		MUST(out2 && !strcmp(out, out2));
		free(out);
		free(out2);
		policy_doc_free(&doc);
		policy_doc_free(&again);
	}
	free(text);
	return 0;
}
