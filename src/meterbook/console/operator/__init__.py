"""The operator's pages, under /operator: catalog, accounts, promotions, month close. To anybody else they are a 404."""
