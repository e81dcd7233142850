package main

import "testing"

func TestSitesAreNamedInOneOfTwoWays(t *testing.T) {
	for _, tt := range []struct{ tenant, site, wantTenant, wantSite string }{
		{"", "main/dc-east", "main", "dc-east"},
		{"main", "dc-east", "main", "dc-east"},
		{"main", "main/dc-east", "main", "dc-east"},
		{"", "dc-east", "", ""},
		{"other", "main/dc-east", "", ""},
		{"", "main/", "", ""},
		{"", "/dc-east", "", ""},
	} {
		s := siteArgument{Tenant: tt.tenant, Site: tt.site}
		err := s.AfterApply()
		if err == nil {
			err = s.AfterApply() // kong may call it for the command and for what is embedded in it
		}
		switch {
		case tt.wantSite == "" && err == nil:
			t.Errorf("--tenant %q %q was taken as %s/%s", tt.tenant, tt.site, s.Tenant, s.Site)
		case tt.wantSite != "" && (err != nil || s.Tenant != tt.wantTenant || s.Site != tt.wantSite):
			t.Errorf("--tenant %q %q: %s/%s, %v", tt.tenant, tt.site, s.Tenant, s.Site, err)
		}
	}
}
